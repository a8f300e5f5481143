import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { openWebServer } from '../../testing/test-servers.ts';
import { openSubscriptionHub } from '../../testing/subscription-hub.ts';
import { IN_FLIGHT_FILE } from '../../storage/sqlite/in-flight-journal-file.ts';

/** Time from the start of the hub to the first trial (PROTOCOL.md section 14.4). */
const HOLD_MS = 2000;

test('an endpoint whose verification was in flight at two crashes is verified last', async () => {
  const askedMs: number[] = [];
  const { port, url } = await openWebServer((_request, response) => {
    askedMs.push(performance.now());
    response.writeHead(500).end();
  });
  const settings = { data: temporaryFolder(), access: 'rules', outgoing: { allow: [`127.0.0.1:${port}`] } };
  const before = await openSubscriptionHub(settings);
  const { id } = await before.create({ channels: ['orders.>'], delivery: { kind: 'webhook', url } });
  await vi.waitFor(() => expect(askedMs).toHaveLength(1));
  await before.close();
  writeFileSync(join(settings.data, IN_FLIGHT_FILE), `careful\nf 0 ${String(id)} 0\n`);
  const startedMs = performance.now();
  await openSubscriptionHub(settings);
  await vi.waitFor(() => expect(askedMs).toHaveLength(2), { timeout: 10_000 });
  expect((askedMs[1] as number) - startedMs).toBeGreaterThan(HOLD_MS);
});

test('a suspect that is removed, paused or never sent to does not block others forever', async () => {
  const taken: string[] = [];
  const { url } = await openWebServer((request, response) => {
    taken.push(request.url ?? '');
    response.writeHead(204).end();
  });
  const settings = { data: temporaryFolder() };
  const before = await openSubscriptionHub(settings);
  const ids: string[] = [];
  for (const path of ['/paused', '/tried']) {
    const delivery = { kind: 'webhook', url: `${url}${path}` };
    ids.push(String((await before.create({ channels: ['orders.>'], delivery }))['id']));
  }
  await before.ask('POST', `/v1/subscriptions/${ids[0]}/pause`);
  await before.close();
  const lines = ['sub_gone', ...ids].map((id) => `f 0 ${id} 1\n`);
  writeFileSync(join(settings.data, IN_FLIGHT_FILE), `careful\n${lines.join('')}`);
  // The clock is fifty times faster than real time.
  const hub = await openSubscriptionHub(settings, 50);
  await hub.publish('orders.1', 1);
  await vi.waitFor(() => expect(taken).toEqual(['/tried']), { timeout: 10_000 });
});
