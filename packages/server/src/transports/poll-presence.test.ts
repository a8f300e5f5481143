import { expect, test } from 'vitest';
import { identifiedHub } from '../testing/identified-hub.ts';

/** PROTOCOL.md sections 4 and 13.6. */
test('a short poll that says so is no presence, whether there is something new or not', async () => {
  const hub = await identifiedHub({ presence: { pollSeconds: 3600 } }, 1);
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

test('what is neither said nor left out is refused', async () => {
  const hub = await identifiedHub();
  const answer = await fetch(`${hub.url}/v1/events?channel=news.a&presence=all`);
  expect([answer.status, await answer.json()]).toMatchObject([
    400,
    { code: 'invalid_parameter', parameter: 'presence' },
  ]);
});
