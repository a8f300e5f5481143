// A day in minutes:
// node simulation/fast-forward.ts [--hours 24] [--minutes 10] [--seed N] [--rate EVENTS_PER_SECOND]
//
// It runs a real hub on a real folder, with a fast clock. Publishers publish, and consumers connect
// and disconnect on all transports. Memory must stay flat, the file within the limits of retention,
// and no consumer may miss an event without a gap.
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Consumer } from './fast-forward/consumer.ts';
import { CHANNELS, retainedBytesMax } from './fast-forward/rules.ts';

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '24' },
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rate: { type: 'string', default: '1500' },
  },
});
const realMs = Number(values.minutes) * 60_000;
const speed = (Number(values.hours) * 3_600_000) / realMs;
const seed = Number(values.seed);
const random = randomOf(seed);
const BODY_BYTES = 240;
const CONSUMERS = 80;
const PATTERNS = [
  'counted.*',
  'counted.3',
  'counted.>',
  'sized.*',
  'sized.5',
  'aged.>',
  'aged.1',
  'aged.2',
  'value.>',
  'typing.*',
  'once.>',
  '>',
];
const SAMPLES = 24;

const folder = mkdtempSync(join(tmpdir(), 'polycast-fast-forward-'));
const hub = fork(join(import.meta.dirname, 'fast-forward/hub-process.ts'), [folder, String(speed)], {
  execArgv: ['--expose-gc'],
});
try {
  const { port } = await answer<{ port: number }>('port');
  const base = `http://127.0.0.1:${port}`;
  console.log(`${values.hours} h in ${values.minutes} min (${speed} times as fast), seed ${seed}`);
  const consumers = Array.from(
    { length: CONSUMERS },
    (_, index) => new Consumer(base, PATTERNS[index % PATTERNS.length] as string, random),
  );
  for (const consumer of consumers) consumer.start();
  const publishing = startPublishing(port, Number(values.rate));
  const samples = await sample(consumers, publishing.published);
  publishing.stop();
  for (const consumer of consumers) consumer.close();
  process.exitCode = judge(samples, consumers, publishing.published()) ? 0 : 1;
  hub.send('close');
  await new Promise((resolve) => hub.on('exit', resolve));
} finally {
  hub.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

interface Sample {
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly folderBytes: number;
}

async function sample(consumers: readonly Consumer[], published: () => number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let index = 1; index <= SAMPLES; index++) {
    await pause(realMs / SAMPLES);
    const waiting = answer<{ memory: { rss: number; heapUsed: number; external: number } }>('memory');
    hub.send('memory');
    const { memory } = await waiting;
    const taken = { rssBytes: memory.rss, heapBytes: memory.heapUsed + memory.external, folderBytes: folderBytes() };
    samples.push(taken);
    const received = consumers.reduce((sum, consumer) => sum + consumer.received, 0);
    const gaps = consumers.reduce((sum, consumer) => sum + consumer.gaps, 0);
    console.log(
      `${((index * Number(values.hours)) / SAMPLES).toFixed(1).padStart(5)} h  rss ${mb(taken.rssBytes)} MB  heap ${mb(taken.heapBytes)} MB  folder ${mb(taken.folderBytes)} MB  published ${published()}  received ${received}  gaps told ${gaps}`,
    );
  }
  return samples;
}

/**
 * Flat: the last third is no higher than the middle one, with a tolerance of a tenth for
 * uncollected garbage.
 */
function judge(samples: readonly Sample[], consumers: readonly Consumer[], published: number): boolean {
  const perSecond = published / (Number(values.hours) * 3600);
  const retainedMax = retainedBytesMax(perSecond, BODY_BYTES);
  const third = Math.floor(samples.length / 3);
  const most = (from: number, to: number, of: (one: Sample) => number): number =>
    Math.max(...samples.slice(from, to).map(of));
  const violations = consumers.flatMap((consumer) => consumer.violations);
  const heapMiddle = most(third, 2 * third, ({ heapBytes }) => heapBytes);
  const heapLast = most(2 * third, samples.length, ({ heapBytes }) => heapBytes);
  const rssMiddle = most(third, 2 * third, ({ rssBytes }) => rssBytes);
  const rssLast = most(2 * third, samples.length, ({ rssBytes }) => rssBytes);
  const folderMax = most(0, samples.length, ({ folderBytes: bytes }) => bytes);
  // A row, its index entry and a page's free space, at worst twice the body; and the write-ahead
  // log.
  const folderAllowed = 2 * retainedMax + 96 * 1024 * 1024;
  const verdicts: readonly (readonly [string, boolean])[] = [
    [
      `heap: ${mb(heapLast)} MB in the last third, ${mb(heapMiddle)} MB in the middle one`,
      heapLast <= heapMiddle * 1.1 + 4e6,
    ],
    [
      `resident: ${mb(rssLast)} MB in the last third, ${mb(rssMiddle)} MB in the middle one`,
      rssLast <= rssMiddle * 1.1 + 16e6,
    ],
    [
      `folder: at most ${mb(folderMax)} MB; retention keeps ${mb(retainedMax)} MB of bodies, ${mb(folderAllowed)} MB allowed`,
      folderMax <= folderAllowed,
    ],
    [
      `holes that nobody was told of: ${violations.length} ${violations.slice(0, 3).join('; ')}`,
      violations.length === 0,
    ],
    [
      `published ${published} events, ${perSecond.toFixed(1)} a simulated second; ${consumers.reduce((sum, one) => sum + one.sessions, 0)} sessions`,
      published > 0,
    ],
  ];
  for (const [what, holds] of verdicts) console.log(`${holds ? 'holds' : 'FAILS'}  ${what}`);
  return verdicts.every(([, holds]) => holds);
}

/**
 * Publishes arrays of events at a steady rate, each event with its channel's count. One request at
 * a time keeps the counts in order.
 */
function startPublishing(port: number, perSecond: number): { stop(): void; published(): number } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const counts = new Map<string, number>();
  const kinds = Object.keys(CHANNELS);
  let published = 0;
  let stopped = false;
  const startMs = performance.now();
  const event = (): object => {
    const kind = kinds[Math.floor(random() * kinds.length)] as string;
    const channel =
      kind === 'once'
        ? `once.${published}-${Math.floor(random() * 1e6)}`
        : `${kind}.${Math.floor(random() * (CHANNELS[kind] as number))}`;
    const n = (counts.get(channel) ?? 0) + 1;
    if (kind !== 'once') counts.set(channel, n);
    published++;
    return { channel, data: { n, text: 'x'.repeat(140) } };
  };
  const publish = (): void => {
    if (stopped) return;
    const due = Math.floor(((performance.now() - startMs) / 1000) * perSecond) - published;
    if (due < 1) return void setTimeout(publish, 5);
    const body = JSON.stringify(Array.from({ length: Math.min(due, 200) }, event));
    const sent = request(
      {
        agent,
        port,
        host: '127.0.0.1',
        path: '/v1/events',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      },
      (response) => {
        response.resume().on('end', () => setTimeout(publish, 5));
      },
    );
    sent.on('error', (error) => {
      if (!stopped) throw error;
    });
    sent.end(body);
  };
  publish();
  return {
    published: () => published,
    stop() {
      stopped = true;
      agent.destroy();
    },
  };
}

function folderBytes(): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function answer<Message extends object>(member: string): Promise<Message> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`the hub ended with ${code}`));
    const listen = (message: Message): void => {
      if (!(member in message)) return;
      hub.off('message', listen).off('exit', ended);
      resolve(message);
    };
    hub.on('message', listen);
    hub.on('exit', ended);
  });
}

function randomOf(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
