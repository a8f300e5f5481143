import { expect, test } from 'vitest';
import { openAuthenticatedHub } from '../testing/authenticated-hub.ts';

/** PROTOCOL.md sections 4 and 13.6. */
test('a short poll with presence=none does not count as presence, with or without events', async () => {
  const hub = await openAuthenticatedHub({ presence: { pollSeconds: 3600 } }, 1);
  const isOnline = async (): Promise<unknown> =>
    ((await (await hub.administer('GET', '/v1/users/ann')).json()) as { online: boolean }).online;
  const ask = (more: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${hub.url}/v1/events?channel=chat.a&token=${hub.token('ann')}${more}`, { headers });
  const aside = await ask('&presence=none');
  expect([aside.status, await isOnline()]).toEqual([200, false]);
  const unchanged = await ask('&presence=none', { 'If-None-Match': aside.headers.get('etag') as string });
  expect([unchanged.status, await isOnline()]).toEqual([304, false]);
  expect((await ask('')).status).toBe(200);
  expect(await isOnline()).toBe(true);
});

test('an invalid value is refused', async () => {
  const hub = await openAuthenticatedHub();
  const answer = await fetch(`${hub.url}/v1/events?channel=news.a&presence=all`);
  expect([answer.status, await answer.json()]).toMatchObject([
    400,
    { code: 'invalid_parameter', parameter: 'presence' },
  ]);
});

/** PROTOCOL.md section 13.6. */
test('the channels of one user are bounded: one more is refused, on polls and on streams', async () => {
  const hub = await openAuthenticatedHub({
    rules: [{ pattern: 'room.>', subscribe: ['users'], presence: ['users'] }],
    presence: { pollSeconds: 3600 },
    defaults: { userPublishRatePerSecond: null },
  });
  const token = hub.token('ann');
  const channels = (turn: number): string =>
    Array.from({ length: 100 }, (_, index) => `channel=room.${'x'.repeat(50)}-${turn}-${index}`).join('&');
  const ask = async (query: string, accept: string): Promise<number> => {
    const answer = await fetch(`${hub.url}/v1/events?${query}&token=${token}`, { headers: { accept } });
    const text = answer.ok ? '' : await answer.text();
    await answer.body?.cancel().catch(() => undefined);
    if (answer.status === 503) expect(JSON.parse(text)).toMatchObject({ code: 'overloaded' });
    return answer.status;
  };
  let turn = 0;
  while ((await ask(channels(turn), 'application/json')) === 200) turn++;
  // The bound is 16 MiB, and each member takes some 830 bytes.
  expect(turn).toBeGreaterThan(190);
  expect(turn).toBeLessThan(215);
  expect(await ask(channels(turn), 'text/event-stream')).toBe(503);
  expect(await ask(channels(0), 'application/json')).toBe(200);
  expect(await ask(`${channels(turn)}&presence=none`, 'application/json')).toBe(200);
  const others = hub.token('bob');
  const answer = await fetch(`${hub.url}/v1/events?${channels(turn)}&token=${others}`);
  expect(answer.status).toBe(200);
});
