import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { unusedPort } from '../../../../scripts/unused-port.ts';
import { connectForTest, numbers, until } from '../testing/connections.ts';
import { startTestHub, type TestHub } from '../testing/hub.ts';
import { startProxy, type Proxy } from '../testing/proxy.ts';

const EVENTS = 10_000;
/** The number of events between two faults: a kill of the hub, or a change of the network. */
const BETWEEN_FAULTS = 400;

test('a client that changes transports while hubs are killed receives 1..10,000, each once, in order', async () => {
  const data = await mkdtemp(join(tmpdir(), 'polycast-cut-'));
  // No other program takes it between a kill and the next start.
  const port = await unusedPort();
  let hub: TestHub = await startTestHub({ data, port, settings: ['delivery.heartbeatMs=1000'] });
  onTestFinished(async () => {
    await hub.kill();
    await rm(data, { recursive: true });
  });
  const proxy = await startProxy(hub.url);
  const publisher = connectForTest(hub.url, { transports: ['short-poll'] });
  const connection = connectForTest(proxy.url, {
    readyTimeoutMs: 1000,
    heartbeatMarginMs: 200,
    probeBaseMs: 300,
    probeCapMs: 600,
  });
  const seen: unknown[] = [];
  const transports = new Set<string | undefined>();
  const gaps: unknown[] = [];
  connection.on('state', ({ state, transport }) => state === 'open' && transports.add(transport));
  connection.on('gap', ({ gap }) => gaps.push(gap));
  await connection.subscribe('count', ({ data: number }) => seen.push(number)).joined;

  let kills = 0;
  for (let sent = 0; sent < EVENTS; sent += BETWEEN_FAULTS) {
    const part = numbers(Math.min(BETWEEN_FAULTS, EVENTS - sent));
    // The publisher continues while the hub is killed: it publishes unacknowledged events again,
    // and the hub stores each once.
    const published = publishInOrder(part.map((number) => sent + number));
    if (fault(proxy, sent / BETWEEN_FAULTS)) {
      kills++;
      await hub.kill();
      hub = await startTestHub({ data, port, settings: ['delivery.heartbeatMs=1000'] });
    }
    await published;
    // A fast machine may be in the next network before the client has found the way through this.
    await until(() => transports.has(passing(proxy)));
  }
  proxy.stalls = proxy.buffers = proxy.blocksWebSockets = false;
  await until(() => seen.length >= EVENTS);

  expect(seen).toEqual(numbers(EVENTS));
  expect(gaps).toEqual([]);
  expect(kills).toBeGreaterThan(5);
  expect([...transports]).toEqual(expect.arrayContaining(['websocket', 'sse', 'long-poll']));

  async function publishInOrder(data: readonly number[]): Promise<void> {
    for (const number of data) await publisher.publish('count', number);
  }
});

/** The best transport that passes the proxy. */
function passing({ blocksWebSockets, buffers }: Proxy): string {
  if (!blocksWebSockets) return 'websocket';
  return buffers ? 'long-poll' : 'sse';
}

/** Changes the network, each time in another way; returns whether to kill the hub as well. */
function fault(proxy: Proxy, round: number): boolean {
  proxy.blocksWebSockets = round % 5 > 2;
  proxy.buffers = round % 7 > 4;
  proxy.stalls = round % 11 === 10;
  if (round % 3 > 0) proxy.cut();
  return round % 3 === 0;
}
