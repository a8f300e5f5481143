import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { testFolder } from '../testing/folder.ts';
import { site } from '../testing/peers.ts';
import { subscriptionHub } from '../testing/subscription-hub.ts';
import { IN_FLIGHT_FILE } from './in-flight-file.ts';

/** From the start of the hub to the first trial (PROTOCOL.md section 14.4). */
const HOLD_MS = 2000;

test('an endpoint that was being asked for its consent when the hub died twice is asked last', async () => {
  const askedMs: number[] = [];
  const { port, url } = await site((_request, response) => {
    askedMs.push(performance.now());
    response.writeHead(500).end();
  });
  const settings = { data: testFolder(), access: 'rules', outgoing: { allow: [`127.0.0.1:${port}`] } };
  const before = await subscriptionHub(settings);
  const { id } = await before.create({ channels: ['orders.>'], delivery: { kind: 'webhook', url } });
  await vi.waitFor(() => expect(askedMs).toHaveLength(1));
  await before.close();
  writeFileSync(join(settings.data, IN_FLIGHT_FILE), `careful\nf 0 ${String(id)} 0\n`);
  const startedMs = performance.now();
  await subscriptionHub(settings);
  await vi.waitFor(() => expect(askedMs).toHaveLength(2), { timeout: 10_000 });
  expect((askedMs[1] as number) - startedMs).toBeGreaterThan(HOLD_MS);
});

test('a suspect that is gone, paused or never sent to holds up nobody for ever', async () => {
  const taken: string[] = [];
  const { url } = await site((request, response) => {
    taken.push(request.url ?? '');
    response.writeHead(204).end();
  });
  const settings = { data: testFolder() };
  const before = await subscriptionHub(settings);
  const ids: string[] = [];
  for (const path of ['/paused', '/tried']) {
    const delivery = { kind: 'webhook', url: `${url}${path}` };
    ids.push(String((await before.create({ channels: ['orders.>'], delivery }))['id']));
  }
  await before.ask('POST', `/v1/subscriptions/${ids[0]}/pause`);
  await before.close();
  const lines = ['sub_gone', ...ids].map((id) => `f 0 ${id} 1\n`);
  writeFileSync(join(settings.data, IN_FLIGHT_FILE), `careful\n${lines.join('')}`);
  // Time passes fifty times as fast.
  const hub = await subscriptionHub(settings, 50);
  await hub.publish('orders.1', 1);
  await vi.waitFor(() => expect(taken).toEqual(['/tried']), { timeout: 10_000 });
});
