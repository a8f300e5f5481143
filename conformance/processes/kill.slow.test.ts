import { expect, onTestFinished, test } from 'vitest';
import { SLOW_TEST_TIMEOUT_MS } from '../../scripts/testing/timeouts.ts';
import {
  doneIn,
  forgetInFlight,
  mismatched,
  publishedBy,
  sentEarly,
  subscribe,
} from '../kit/clients/delivery-checks.ts';
import { Endpoint } from '../kit/clients/endpoint.ts';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { Publisher, type PublishStyle } from '../kit/clients/publishers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { answered } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { Seeded } from '../kit/seeded.ts';
import { BACKLOG_TIMEOUT_MS, pause, until } from '../kit/wait.ts';
import { eventsOf, membersOf, type RawEvent } from '../kit/wire/raw-events.ts';
import { callAt, processesOf } from './process-connections.ts';

/** The owner and a follower are killed in turn. `POLYCAST_HEAVY=1` kills twenty times as often. */
const KILLS = process.env['POLYCAST_HEAVY'] === undefined ? 4 : 80;
const LIFE_MS_MAX = 500;
const PROCESSES = 3;
const CHANNELS = ['a', 'b.1', 'b.2', 'b.2.c'];
const STYLES: readonly PublishStyle[] = ['single', 'single', 'single', 'array', 'lines'];

test(
  `after ${KILLS} kills of owners and followers under load, every process has every acknowledged event in order`,
  { timeout: KILLS * 20_000 + SLOW_TEST_TIMEOUT_MS },
  async () => {
    const seeded = new Seeded();
    const message = `seed ${seeded.seed}`;
    const data = temporaryFolder('processes-kill');
    const endpoint = await Endpoint.open(() => 204);
    onTestFinished(() => endpoint.close());
    const hub = await startHubProcess({ data, config: { processes: PROCESSES } });
    onTestFinished(() => void hub.end('SIGKILL'));
    const { url } = hub;
    const retryDelaysSeconds = Array.from({ length: 30 }, () => 1);
    await subscribe(url, {
      channels: ['a', 'b.>'],
      ordering: 'per-channel',
      delivery: { kind: 'webhook', url: `${endpoint.url}/ordered`, retryDelaysSeconds },
    });
    const followers = [...TRANSPORTS, ...TRANSPORTS].map(
      (transport) => new Follower(url, transport, { channels: ['a', 'b.>'], after: 'earliest' }),
    );
    const publishers = STYLES.map((style, index) => new Publisher(url, `${style}${index}`, CHANNELS, style));

    for (let kill = 0; kill < KILLS; kill++) {
      await pause(seeded.below(LIFE_MS_MAX));
      let members = await processesOf(url);
      await until('all processes are back', async () => (members = await processesOf(url)).length === PROCESSES);
      const victim = members[kill % 2 === 0 ? 0 : 1 + seeded.below(PROCESSES - 1)];
      process.kill(victim?.pid ?? 0, 'SIGKILL');
      forgetInFlight(data);
    }
    const count = (): number => publishers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    await until('enough has been published', () => count() > KILLS * 10);
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    const published = publishedBy(publishers);
    const last = [...published.keys()].toSorted().at(-1) as string;
    await until('all followers have come to the end', () =>
      followers.every(({ received }) => (received.at(-1)?.id ?? '') >= last),
    );
    const isDelivered = (): boolean => {
      const done = doneIn(endpoint.received, '/ordered');
      return [...published.keys()].every((id) => done.has(id));
    };
    await until('all webhooks are delivered', isDelivered, BACKLOG_TIMEOUT_MS);
    await Promise.all(followers.map((follower) => follower.stop()));
    let members = await processesOf(url);
    await until('all processes are back', async () => (members = await processesOf(url)).length === PROCESSES);
    const logs: (readonly RawEvent[])[] = [];
    for (const { pid } of members) {
      // A process that is behind first has what was published last.
      await answered(() => callAt(hub, pid, `/v1/events?channel=a&after=${last}`));
      logs.push(await readAll(hub, pid));
    }
    expect(await hub.end('SIGTERM'), hub.log()).toBe(0);

    expect(
      [...publishers, ...followers].flatMap(({ errors }) => errors),
      message,
    ).toEqual([]);
    const [log = []] = logs;
    for (const other of logs) expect(other.map(({ json }) => json)).toEqual(log.map(({ json }) => json));
    const inLog = new Map(log.map(({ id, data: payload }) => [id, payload]));
    const lost = [...published].filter(([id, payload]) => inLog.get(id) !== JSON.stringify(payload));
    expect(lost, `acknowledged and lost, ${message}`).toEqual([]);
    expect(new Set(log.map(({ data: payload }) => payload)).size, `nothing twice, ${message}`).toBe(log.length);
    for (const [index, { received, gaps }] of followers.entries()) {
      const of = `${TRANSPORTS[index % TRANSPORTS.length]}, ${message}`;
      expect(gaps, of).toEqual([]);
      // Exactly the log: in order, without duplicates and without holes, byte for byte.
      expect(
        received.map(({ json }) => json),
        of,
      ).toEqual(log.map(({ json }) => json));
    }
    expect(mismatched(endpoint.received, published), `another event, ${message}`).toEqual([]);
    expect(sentEarly(endpoint.received), `out of order, ${message}`).toEqual([]);
  },
);

async function readAll(
  hub: { readonly url: string; readonly port: number },
  pid: number,
): Promise<readonly RawEvent[]> {
  const events: RawEvent[] = [];
  for (let after = 'earliest'; ;) {
    const { text } = await callAt(hub, pid, `/v1/events?channel=a&channel=b.>&after=${after}&limit=1000`);
    const page = eventsOf(text);
    if (page.length === 0) return events;
    events.push(...page);
    after = JSON.parse(membersOf(text).get('cursor') as string) as string;
  }
}
