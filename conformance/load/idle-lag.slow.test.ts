import { join } from 'node:path';
import { expect, test } from 'vitest';
import { post, subscribe } from '../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

interface Shown {
  readonly backlog: { readonly lagEvents: number; readonly lagMs: number; readonly lagPositions: number };
}

/** More events than a hub reads into memory at its start. */
const OTHERS = 5_000;
const MATCHING = 17;

test('after a kill an idle subscription has no lag, and the lag of another counts its matching events: webhooks and pulls', async () => {
  const data = join(temporaryFolder('idle-lag'), 'data');
  const hub = await startHubProcess({ data });
  const pull = { kind: 'pull' };
  // The hub sends nothing: no event matches, or the subscription is paused.
  const webhook = { kind: 'webhook', url: 'http://127.0.0.1:1/' };
  const make = (channels: string, delivery: object, more: object = {}): Promise<string> =>
    subscribe(hub.url, { channels: [channels], delivery, ...more });
  const idle = await Promise.all([make('quiet.>', pull), make('quiet.>', webhook), make('one', pull)]);
  const never = await make('busy', pull, { filter: { equals: ['/data', 'never'] } });
  const paused = await Promise.all([make('busy', webhook), make('busy', pull)]);
  for (const id of paused) expect((await post(`${hub.url}/v1/subscriptions/${id}/pause`, {})).status).toBeLessThan(300);
  const waiting = await make('busy', pull);
  const publish = async (channel: string, count: number): Promise<void> => {
    const events = Array.from({ length: count }, (_, n) => ({ channel, data: n }));
    for (let at = 0; at < count; at += 500)
      expect((await post(`${hub.url}/v1/events`, events.slice(at, at + 500))).status).toBeLessThan(300);
  };
  await publish('busy', MATCHING - 5);
  await publish('other.1', OTHERS);
  await publish('busy', 5);
  await hub.end('SIGKILL');

  const again = await startHubProcess({ data });
  const lagOf = async (id: string): Promise<Shown['backlog']> =>
    (await call(`${again.url}/v1/subscriptions/${id}`)).json<Shown>().backlog;
  for (const id of [...idle, never])
    await until('the idle one has no lag', async () => {
      const { lagEvents, lagMs, lagPositions } = await lagOf(id);
      // Its pages are counted before it has moved past all of them.
      return lagEvents + lagMs + lagPositions === 0;
    });
  for (const id of [...paused, waiting])
    await until('the other one has the lag of what it matches', async () => (await lagOf(id)).lagEvents === MATCHING);
  await again.end('SIGTERM');
});
