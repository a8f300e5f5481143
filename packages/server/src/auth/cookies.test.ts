import { describe, expect, test } from 'vitest';
import { openAuthenticatedHub, type AuthenticatedHub } from '../testing/authenticated-hub.ts';

const LISTED = 'https://www.shop.example';
const FOREIGN = 'https://evil.example';

const open = (allowedOrigins: readonly string[]): Promise<AuthenticatedHub> =>
  openAuthenticatedHub({ allowedOrigins, identity: { tokenCookie: 'session' } });

function ask(
  hub: AuthenticatedHub,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  return fetch(hub.url + path, {
    method,
    headers: { Cookie: `session=${hub.token('ann')}`, ...headers },
    ...(method === 'POST' ? { body: '1' } : {}),
  });
}

describe.each([
  ['the origins that are listed', ['https://*.shop.example'], 403],
  ['all, of which some are listed', ['*', 'https://*.shop.example'], 401],
] as const)('with %s', (_name, allowed, foreignPost) => {
  test('a listed page acts for its visitor; a foreign one is anonymous', async () => {
    const hub = await open(allowed);
    const own = await ask(hub, 'GET', '/v1/events?channel=inbox.ann', { Origin: LISTED });
    expect(own.status).toBe(200);
    expect(own.headers.get('Access-Control-Allow-Origin')).toBe(LISTED);
    expect(own.headers.get('Access-Control-Allow-Credentials')).toBe('true');
    const foreign = await ask(hub, 'GET', '/v1/events?channel=inbox.ann', { Origin: FOREIGN });
    expect(foreign.status).toBe(foreignPost);
    // The page may read the refusal and nothing else.
    expect(await foreign.text()).toMatch(/"code":"(?:origin_not_allowed|unauthorized)"/);
    const image = await ask(hub, 'GET', '/v1/events?channel=inbox.ann', { 'Sec-Fetch-Site': 'cross-site' });
    expect(image.status).toBe(401);
  });

  test("a foreign page, or a possible form without an Origin, cannot publish with a visitor's cookie", async () => {
    const hub = await open(allowed);
    const json = { 'Content-Type': 'application/json' };
    const form = { 'Content-Type': 'text/plain' };
    const publish = async (headers: Readonly<Record<string, string>>): Promise<number> =>
      (await ask(hub, 'POST', '/v1/channels/chat.a/events', headers)).status;
    expect(await publish({ ...json, Origin: LISTED })).toBe(201);
    expect(await publish({ ...form, Origin: LISTED })).toBe(201);
    expect(await publish({ ...json, Origin: FOREIGN })).toBe(foreignPost);
    expect(await publish({ ...form, Origin: FOREIGN })).toBe(foreignPost);
    expect(await publish({ ...form, Origin: 'null' })).toBe(foreignPost);
    expect(await publish(form)).toBe(401);
    expect(await publish({ ...form, 'Sec-Fetch-Site': 'same-origin' })).toBe(201);
    expect(await publish({ ...json, 'Sec-Fetch-Site': 'same-site' })).toBe(foreignPost);
    expect(await publish(json)).toBe(201);
  });

  test('a WebSocket of a foreign page is anonymous, or is refused', async () => {
    const hub = await open(allowed);
    const headers = { Cookie: `session=${hub.token('ann')}` };
    const own = hub.socket('channel=inbox.ann', { origin: LISTED, headers });
    await own.waitForMessage({ op: 'ready' });
    expect(await hub.socket('channel=inbox.ann', { origin: FOREIGN, headers }).waitForRefusal()).toBe(foreignPost);
  });
});

test('the answer to a preflight lists what a listed page may send', async () => {
  const hub = await open(['https://*.shop.example']);
  const headers = { Origin: LISTED, 'Access-Control-Request-Method': 'POST' };
  const answer = await fetch(`${hub.url}/v1/events`, { method: 'OPTIONS', headers });
  expect(answer.status).toBe(204);
  expect(answer.headers.get('Access-Control-Allow-Credentials')).toBe('true');
  expect(answer.headers.get('Access-Control-Allow-Headers')).toContain('Authorization');
  const foreign = await fetch(`${hub.url}/v1/events`, { method: 'OPTIONS', headers: { ...headers, Origin: FOREIGN } });
  expect(foreign.headers.get('Access-Control-Allow-Credentials')).toBeNull();
});
