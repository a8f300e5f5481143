import { expect, test, vi } from 'vitest';
import { openAuthenticatedHub } from '../../../testing/authenticated-hub.ts';
import { runInside } from '../../testing.ts';

test('polycast sessions lists and ends them', async () => {
  const hub = await openAuthenticatedHub();
  await (await hub.follow('channel=chat.1', hub.token('ann'))).waitForText('polycast.ready');
  const options = ['--url', hub.url, '--key', hub.firstKey as string];
  const { out } = await runInside(['sessions', '--user', 'ann', ...options]);
  expect(out).toMatch(/^\S+ {2}sse {2}ann {2}\S+ {2}0 behind {2}chat\.1\n$/);
  const [id = ''] = out.split(' ');
  expect((await runInside(['session', 'end', id, ...options])).out).toBe(`Ended ${id}.\n`);
  await vi.waitFor(async () => {
    const ended = await runInside(['sessions', '--ended', '--json', ...options]);
    expect(JSON.parse(ended.out)).toMatchObject({ session: id, reason: 'ended' });
  });
  const wrong = await runInside(['sessions', '--ended', '--behind', '3', ...options]);
  expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('--behind is for live sessions') });
});
