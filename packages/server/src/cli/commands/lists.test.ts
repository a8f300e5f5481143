import { expect, test } from 'vitest';
import { openSubscriptionHub } from '../../testing/subscription-hub.ts';
import { runInside } from '../testing.ts';

test('channels are listed by a pattern, as text and as JSON', async () => {
  const hub = await openSubscriptionHub({ access: 'rules' });
  const key = await hub.key({ subscribe: ['orders.>'] });
  const id = await hub.publish('orders.1', 1);
  await hub.publish('orders.2', 1);
  await hub.publish('secret', 1);
  const run = (...args: readonly string[]): ReturnType<typeof runInside> =>
    runInside(['channels', ...args, '--url', hub.url, '--key', key]);
  expect((await run('orders.>', '--limit', '1')).out).toBe(`orders.1  1  ${id}\n`);
  expect((await run('orders.*', '--json')).out.trim().split('\n')).toHaveLength(2);
  expect(await run('orders.9')).toMatchObject({ code: 0, out: '', err: expect.stringContaining('No entries') });
  expect(await run()).toMatchObject({ code: 1, err: expect.stringContaining('forbidden') });
});

test('users who are online are listed', async () => {
  const hub = await openSubscriptionHub();
  expect(await runInside(['users', '--url', hub.url])).toMatchObject({
    code: 0,
    out: '',
    err: expect.stringContaining('No user'),
  });
});
