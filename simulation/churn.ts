// Churn: node simulation/churn.ts [--hours 6] [--minutes 6] [--seed N] [--rate EVENTS_PER_SECOND]
// A real hub on a real folder whose clock runs fast. Each event is the first and last of its
// channel, and each visitor connects once. Subscriptions are created and removed, and their
// endpoint fails now and then. The program ends with 1 unless memory is flat in the second half,
// when caches and V8's heaps have their size. It compares the last quarter's median with the third
// quarter's, for live memory after a collection and for resident memory.
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Visitors } from './churn/visitors.ts';

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '6' },
    minutes: { type: 'string', default: '6' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rate: { type: 'string', default: '250' },
  },
});
const hours = Number(values.hours);
const realMs = Number(values.minutes) * 60_000;
const speed = (hours * 3_600_000) / realMs;
const random = randomOf(Number(values.seed));
const SAMPLES = 24;
/** The numbers of concurrent subscriptions and visitors. */
const SUBSCRIPTIONS = 100;
const VISITORS = 120;
const TURN_MS = 50;

/**
 * Medians, because single samples vary with the work in progress. Live memory shows a leak: at
 * 10,000 channels an hour, a leak of half a kilobyte each is detected. Resident memory depends on
 * V8 and the allocator, so it may vary more. Both have a limit.
 */
const BOUNDS = {
  heapBytes: { growth: 0.05, noise: 4e6, max: 160e6 },
  residentBytes: { growth: 0.05, noise: 12e6, max: 450e6 },
  // The files keep their largest size; SQLite truncates the log's to 64 MiB.
  walBytes: { growth: Infinity, noise: 0, max: 68e6 },
} as const;

const folder = mkdtempSync(join(tmpdir(), 'polycast-churn-'));
const hub = fork(join(import.meta.dirname, 'churn/hub-process.ts'), [folder, String(speed)], {
  execArgv: ['--expose-gc'],
});
const endpoint = createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(random() < 0.1 ? 500 : 204).end());
});
try {
  const { port } = await answer<{ port: number }>('port');
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${port}`;
  console.log(`${hours} h in ${values.minutes} min (${speed} times as fast), seed ${values.seed}`);
  const visitors = new Visitors(base, random);
  const load = startLoad(base, visitors, `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/hook`);
  const samples = await sample(visitors, load);
  load.stop();
  visitors.close();
  process.exitCode = judge(samples, visitors) ? 0 : 1;
  hub.send('close');
  await new Promise((resolve) => hub.on('exit', resolve));
} finally {
  hub.kill('SIGKILL');
  endpoint.closeAllConnections();
  endpoint.close();
  rmSync(folder, { recursive: true, force: true });
}

interface Sample {
  readonly hour: number;
  /** The anonymous memory of the process: everything but the mapped files. */
  readonly residentBytes: number;
  /** The heap of the event loop's thread, after a collection. */
  readonly heapBytes: number;
  readonly walBytes: number;
}

interface Load {
  published: number;
  subscribed: number;
  failed: number;
  stop(): void;
}

async function sample(visitors: Visitors, load: Load): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let index = 1; index <= SAMPLES; index++) {
    await pause(realMs / SAMPLES);
    const waiting = answer<{ memory: Record<string, number> }>('memory');
    hub.send('memory');
    const { memory } = await waiting;
    const { heapUsed = 0, external = 0, heap = 0, arrayBuffers = 0 } = memory;
    const taken = {
      hour: (index * hours) / SAMPLES,
      residentBytes: anonymousBytes(),
      heapBytes: heapUsed + external,
      walBytes: walBytes(),
    };
    samples.push(taken);
    console.log(
      `${taken.hour.toFixed(2).padStart(6)} h  resident ${mb(taken.residentBytes)} MB  heap ${mb(heapUsed)} of ${mb(heap)} MB  external ${mb(external)} MB (buffers ${mb(arrayBuffers)})  WAL ${mb(taken.walBytes)} MB  channels ${load.published}  visitors ${visitors.count} (refused ${visitors.refused})  subscriptions ${load.subscribed}  failed ${load.failed}`,
    );
  }
  return samples;
}

function judge(samples: readonly Sample[], visitors: Visitors): boolean {
  const quarter = SAMPLES / 4;
  const [third, last] = [samples.slice(2 * quarter, 3 * quarter), samples.slice(3 * quarter)];
  const verdicts = (['heapBytes', 'residentBytes', 'walBytes'] as const).map((name) => {
    const [before, after] = [third, last].map((part) => median(part.map((one) => one[name]))) as [number, number];
    const { growth, noise, max } = BOUNDS[name];
    return { name, before, after, max, holds: after <= before * (1 + growth) + noise && after <= max };
  });
  for (const { name, before, after, max, holds } of verdicts)
    console.log(
      `${holds ? 'holds' : 'FAILS'}  ${name}: ${mb(after)} MB in the last quarter, ${mb(before)} MB in the third, ${mb(max)} MB at most`,
    );
  const areAdmitted = visitors.refused === 0;
  console.log(`${areAdmitted ? 'holds' : 'FAILS'}  ${visitors.refused} of ${visitors.count} visitors were refused`);
  return areAdmitted && verdicts.every(({ holds }) => holds);
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;
}

function startLoad(base: string, visitors: Visitors, url: string): Load {
  const load: Load = { published: 0, subscribed: 0, failed: 0, stop };
  function stop(): void {
    clearInterval(timer);
    // Later refusals are caused by the shutdown of the hub.
    load.failed = Infinity;
  }
  const made: string[] = [];
  let isSubscribing = false;
  const perTurn = (Number(values.rate) * TURN_MS) / 1000;
  const stayMs = 4000;
  let owedEvents = 0;
  let owedVisitors = 0;
  const timer = setInterval(() => {
    owedEvents += perTurn;
    owedVisitors += (VISITORS * TURN_MS) / stayMs;
    const events = Array.from({ length: Math.floor(owedEvents) }, () => event(load.published++));
    owedEvents -= events.length;
    if (events.length > 0) void send(load, 'POST', `${base}/v1/events`, events);
    for (; owedVisitors >= 1; owedVisitors--) visitors.visit(stayMs);
    if (isSubscribing) return;
    isSubscribing = true;
    void replaceOldest(base, url, load, made).finally(() => (isSubscribing = false));
  }, TURN_MS);
  return load;
}

/** Creates a subscription, and removes the oldest. */
async function replaceOldest(base: string, url: string, load: Load, made: string[]): Promise<void> {
  const created = await send(load, 'POST', `${base}/v1/subscriptions`, {
    channels: [`once.${load.subscribed++ % 50}.>`],
    delivery: { kind: 'webhook', url },
  });
  const { id } = (created ?? {}) as { id?: string };
  if (id !== undefined) made.push(id);
  if (made.length > SUBSCRIPTIONS) await send(load, 'DELETE', `${base}/v1/subscriptions/${made.shift()}`);
}

function event(number: number): object {
  return {
    channel: `once.${number % 50}.${number}-${Math.floor(random() * 1e9)}`,
    data: { text: 'x'.repeat(number % 400) },
  };
}

async function send(load: Load, method: string, url: string, body?: object): Promise<unknown> {
  try {
    const response = await fetch(url, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok && load.failed++ < 5) console.log(method, response.status, text.slice(0, 300));
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    load.failed++;
    return undefined;
  }
}

/** `RssAnon` of Linux. */
function anonymousBytes(): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${hub.pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

function walBytes(): number {
  return readdirSync(folder)
    .filter((name) => name.endsWith('-wal'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
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

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function randomOf(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
