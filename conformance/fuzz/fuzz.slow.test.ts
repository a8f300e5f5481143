import { afterAll, beforeAll, expect, test } from 'vitest';
import { selfSigned } from '../kit/certificates.ts';
import { call } from '../kit/http.ts';
import type { HubProcess } from '../kit/hub-process.ts';
import { Seeded } from '../kit/seeded.ts';
import { MemoryBudget } from './memory-budget.ts';
import { regressionSeeds } from './seeds.ts';
import { SHAPES, type MemoryShape } from './memory-shapes.ts';
import { TLS_SHAPES } from './tls-shapes.ts';
import { FuzzHubs, start } from './fuzz-hubs.ts';

/**
 * `POLYCAST_HEAVY=1` runs ten times as many rounds; `node conformance/fuzz/run.ts` runs any number.
 */
const ROUNDS = process.env['POLYCAST_HEAVY'] === undefined ? 15 : 150;
const GROWTH_BYTES_MAX = 24 * 1024 * 1024;

test('random clients neither crash the hub, nor cause an internal error, nor leave resources behind', async () => {
  const world = await FuzzHubs.open();
  try {
    for (const seed of regressionSeeds()) await world.round(seed);
    const before = await world.liveBytes();
    const { seed } = new Seeded();
    for (let index = 0; index < ROUNDS; index++) await world.round(seed + index);
    await expect
      .poll(async () => (await world.liveBytes()) - before, { timeout: 60_000 })
      .toBeLessThan(GROWTH_BYTES_MAX);
  } finally {
    await world.close();
  }
});

const PATIENT = { limits: { bodyTimeoutMs: 300_000, headersTimeoutMs: 300_000 } };
let hub: HubProcess;
let tlsHub: HubProcess;
beforeAll(async () => {
  [hub, tlsHub] = await Promise.all([start(PATIENT), start({ ...PATIENT, tls: selfSigned() })]);
});
afterAll(() => Promise.all([hub.end('SIGKILL'), tlsHub.end('SIGKILL')]));

test.each(SHAPES)('$name: requests take at most twenty times their size in memory', async (shape) => {
  await expectAccounted(hub, shape);
});

test.each(TLS_SHAPES)('with TLS, $name: requests take at most twenty times their size in memory', async (shape) => {
  await expectAccounted(tlsHub, shape);
});

async function expectAccounted(to: HubProcess, { name, clients, streams = 0, send }: MemoryShape): Promise<void> {
  const seeded = new Seeded();
  // Permanent memory of the hub is allocated for the first client.
  const first = await send(to.url, seeded);
  const accountant = await MemoryBudget.of(to);
  const all = [first, ...(await Promise.all(Array.from({ length: clients }, () => send(to.url, seeded))))];
  try {
    // Some bytes may still be in the kernel. After three answers the hub has read them.
    for (let times = 0; times < 3; times++) await call(`${to.url}/healthz`);
    const bytes = all.reduce((sum, each) => sum + each.bytes, 0);
    await accountant.expectWithin(`${name} (seed ${seeded.seed})`, { clients, streams: clients * streams, bytes });
  } finally {
    accountant.close();
    for (const { raw } of all) raw.destroy();
  }
}
