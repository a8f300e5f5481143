import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { startBalancer, type Balancer } from '../../scripts/cluster/balancer.ts';
import { connectForTest, numbers } from '../../packages/client/src/testing/connections.ts';
import { CASES } from '../cases/index.ts';
import { NATS_SERVER, startBrokers, type Brokers } from '../kit/brokers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { hasRules, runCase } from '../suite/run-case.ts';

/** Three hubs behind a balancer without sticky sessions. */
const HUBS = 3;

describe.skipIf(NATS_SERVER === undefined)('a cluster behind a balancer that sends each request to another hub', () => {
  let brokers: Brokers;
  let balancer: Balancer;
  const hubs: { readonly data: string; process: HubProcess }[] = [];
  const start = (data: string, port?: number): Promise<HubProcess> => {
    const own = parse(readFileSync(join(import.meta.dirname, '../polycast.yaml'), 'utf8')) as object;
    return startHubProcess({
      data,
      ...(port !== undefined && { port }),
      config: { ...own, cluster: brokers.settings },
    });
  };

  beforeAll(async () => {
    brokers = await startBrokers({ count: 3 });
    for (let index = 0; index < HUBS; index++) {
      const data = temporaryFolder('hub');
      hubs.push({ data, process: await start(data) });
    }
    const urls = hubs.map(({ process: { url } }) => url);
    for (const url of urls) await until('the hub is ready', async () => (await call(`${url}/readyz`)).status === 200);
    // A request without a cursor may be answered by a hub that is a moment behind. That is the hub
    // that receives it, or the one that works on subscriptions. A list of keys waits.
    const reachNewest = ({ process }: { readonly process: HubProcess }): Promise<unknown> =>
      call(`http://127.0.0.1:${process.port}/v1/keys`).catch(() => undefined);
    balancer = await startBalancer({
      port: 0,
      targets: hubs.map(({ process }) => process.port),
      before: () => Promise.all(hubs.map(reachNewest)),
    });
  });
  afterAll(async () => {
    await balancer?.close();
    for (const { process } of hubs) await process.end('SIGKILL');
    await brokers?.end();
  });

  test('applies the channel rules that some cases need', async () => {
    // A rate holds for each hub. Of two events a second apart, it refuses none.
    await until('the rate refuses an event', () => hasRules(hubs[0]?.process.url ?? ''));
  });

  test.for(CASES.map((each) => ({ each, title: `${each.sections.join(' ')}: ${each.name}` })))(
    '$title',
    async ({ each }, { skip }) => {
      const text = JSON.stringify(each.steps);
      if (text.includes('{rated}')) skip('a rate holds for each hub');
      await runCase(each, balancer.url);
    },
  );

  test('a client of the SDK that is cut, while hubs are killed, receives each event once, in order', async () => {
    const events = 2_000;
    // A client has a cursor, so no request needs a hub that knows the newest event.
    const other = await startBalancer({ port: 0, targets: hubs.map(({ process }) => process.port) });
    const publisher = connectForTest(other.url, { transports: ['short-poll'] });
    const connection = connectForTest(other.url, { readyTimeoutMs: 1000, probeBaseMs: 300, probeCapMs: 600 });
    onTestFinished(() => {
      publisher.close();
      connection.close();
      return other.close();
    });
    const seen: unknown[] = [];
    const gaps: unknown[] = [];
    connection.on('gap', ({ gap }) => gaps.push(gap));
    await connection.subscribe('count', ({ data }) => seen.push(data)).joined;
    for (let sent = 0; sent < events; sent += 200) {
      const published = (async () => {
        for (const number of numbers(200)) await publisher.publish('count', sent + number);
      })();
      other.cut();
      if (sent % 600 === 0) {
        const killed = hubs[(sent / 600) % HUBS] as (typeof hubs)[number];
        await killed.process.end('SIGKILL');
        killed.process = await start(killed.data, killed.process.port);
      }
      await published;
    }
    await until('all events have come', () => seen.length >= events);
    expect([seen, gaps]).toEqual([numbers(events), []]);
  });
});
