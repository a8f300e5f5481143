import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atExit } from '../kit/at-exit.ts';
import { COMMAND } from '../kit/command.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { publish } from '../kit/http.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { BACKLOG_TIMEOUT_MS, pause, until } from '../kit/wait.ts';
import { commandOf, installAll, type Language, type Program } from './packages.ts';

/**
 * Third-party event stream clients, each in its own process, all with one hub. They see five
 * events, a pause with heartbeats, a kill, a drain, and a new epoch. Each prints the messages that
 * it delivers, and these are compared.
 */
const CLIENTS: readonly { readonly language: Language; readonly name: string }[] = [
  ...[
    'eventsource',
    'undici EventSource',
    '@sanity/eventsource',
    'launchdarkly-eventsource',
    'event-source-polyfill',
    'reconnecting-eventsource',
    'eventsource-client',
    'eventsource-parser',
    '@microsoft/fetch-event-source',
  ].map((name) => ({ language: 'npm' as const, name })),
  ...['httpx-sse', 'sseclient-py', 'sseclient', 'requests-sse', 'requests iter_lines', 'aiohttp-sse-client2'].map(
    (name) => ({ language: 'python' as const, name }),
  ),
  ...['tmaxmax/go-sse', 'launchdarkly/eventsource', 'donovanhide/eventsource', 'r3labs/sse'].map((name) => ({
    language: 'go' as const,
    name,
  })),
  ...['okhttp-sse', 'okhttp-eventsource'].map((name) => ({ language: 'java' as const, name })),
];

/** These clients deliver the incomplete rest of a broken connection, including a comment. */
const EMPTY_AT_THE_END: ReadonlySet<string> = new Set(['sseclient', 'r3labs/sse']);

const HEARTBEAT_MS = 1000;
const TEXTS: readonly unknown[] = ['ž € 𝄞', 'one\r\ntwo\nthree', '', 'x'.repeat(150_000), { typed: true }];

interface Shown {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

interface Running {
  readonly name: string;
  readonly child: ChildProcess;
  readonly shown: Shown[];
  readonly errors: () => string;
}

const data = temporaryFolder('event-streams');
const programs = new Map<Language, Program>();
const running: Running[] = [];
/** The events that were published by the end of each phase. */
const published: string[] = [];
/** The number of messages of each client before and after the pause. */
const quiet = new Map<string, readonly [before: number, after: number]>();
let hub: HubProcess;

beforeAll(async () => {
  await installAll(programs, ['npm', 'python', 'go', 'java']);
  const port = await unusedPort();
  await start(port);
  for (const { language, name } of CLIENTS) {
    const program = programs.get(language) as Program;
    const args = [name, `${hub.url}/v1/events?channel=all&after=now`];
    if (program.missing === undefined) running.push(run(name, commandOf(language, program, 'events', args)));
  }
  await all('is ready', ({ shown }) => count(shown, 'polycast.ready') === 1);
  for (const text of TEXTS)
    await publishOne(typeof text === 'string' ? { data: text } : { data: text, type: 'thing.made' });
  await all('has five events', ({ shown }) => eventsOf(shown).length === 5);
  await stayQuiet();
  // The hub is killed, and an event is published before the first client reconnects.
  await hub.end('SIGKILL');
  await start(port);
  for (let n = 0; n < 3; n++) await publishOne({ data: `after the kill ${n}` });
  await all('has come back', ({ shown }) => eventsOf(shown).length === 8);
  await publishOne({ data: 'live again' });
  await all('is live again', ({ shown }) => eventsOf(shown).length === 9);
  // The clients are disconnected. When they reconnect, their cursors are of another epoch.
  await hub.end('SIGTERM');
  renewEpoch();
  await start(port);
  await all('has a gap', ({ shown }) => count(shown, 'polycast.gap') > 0);
  await publishOne({ data: 'of the new epoch' });
  await all('has the last event', ({ shown }) => eventsOf(shown).length >= 10);
}, 600_000);

afterAll(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await hub.end('SIGKILL');
});

describe.each(CLIENTS)('$language: $name', ({ language, name }) => {
  const client = (): Running => running.find((each) => each.name === name) as Running;
  const missing = (): string | undefined => programs.get(language)?.missing;

  test('returns every event once, in order, as it was published', ({ skip }) => {
    skip(missing() !== undefined, missing());
    const events = eventsOf(client().shown);
    expect(events.map(({ id }) => id)).toEqual(published);
    expect(events.slice(0, 5).map((event) => event.data)).toEqual(TEXTS);
    expect(events[4]).toMatchObject({ type: 'thing.made', data: { typed: true } });
  });

  test('ignores heartbeats, or returns them as a named event with JSON; it stays connected', ({ skip }) => {
    skip(missing() !== undefined, missing());
    const [before, after] = quiet.get(name) ?? [0, 0];
    const during = client().shown.slice(before, after);
    expect(during.filter(({ event }) => event !== 'polycast.heartbeat')).toEqual([]);
    for (const each of client().shown) {
      // Some clients deliver the comment at the end of a broken connection as a message.
      if (each.data === '' && EMPTY_AT_THE_END.has(name)) continue;
      expect(JSON.parse(each.data), each.event).toBeTypeOf('object');
    }
  });

  test('receives the drain message and the new epoch once', ({ skip }) => {
    skip(missing() !== undefined, missing());
    const { shown } = client();
    expect([count(shown, 'polycast.draining'), count(shown, 'polycast.gap')]).toEqual([1, 1]);
    expect(JSON.parse(shown.find(({ event }) => event === 'polycast.gap')?.data ?? '{}')).toMatchObject({
      reason: 'epoch',
    });
    // At first, after the kill, after the drain.
    expect(count(shown, 'polycast.ready')).toBeGreaterThanOrEqual(3);
  });
});

test('reconnecting-eventsource continues after refusals, with its first address', async ({ skip }) => {
  const program = programs.get('npm') as Program;
  skip(program.missing !== undefined, program.missing);
  const address = `${hub.url}/v1/events?channel=refused&history=1`;
  const client = run('refused', commandOf('npm', program, 'events', ['reconnecting-eventsource', address]));
  const has = (what: number): Promise<void> =>
    until(`it has ${what} events`, () => eventsOf(client.shown).length === what);
  await until('it is ready', () => count(client.shown, 'polycast.ready') === 1);
  await publish(hub.url, { channel: 'refused', data: 1 });
  await has(1);
  const { port } = hub;
  await hub.end('SIGKILL');
  let refused = 0;
  const refusing = createServer(({ url = '' }, response) => {
    // The other clients come here too.
    if (url.includes('channel=refused')) refused++;
    response.writeHead(503).end();
  }).listen(port, '127.0.0.1');
  await until('it is refused', () => refused > 0);
  refusing.closeAllConnections();
  await new Promise((closed) => refusing.close(closed));
  await start(port);
  for (const n of [2, 3]) await publish(hub.url, { channel: 'refused', data: n });
  await has(3);
  client.child.kill('SIGKILL');
  expect(eventsOf(client.shown).map((event) => event.data)).toEqual([1, 2, 3]);
});

async function start(port: number): Promise<void> {
  const delivery = { heartbeatMs: HEARTBEAT_MS, reconnectMs: 300 };
  hub = await startHubProcess({ data, port, config: { delivery, drain: { timeMs: 300 } } });
}

/** Two heartbeats without a cursor, and two that advance it. */
async function stayQuiet(): Promise<void> {
  await pause(HEARTBEAT_MS);
  for (const { name, shown } of running) quiet.set(name, [shown.length, shown.length]);
  await pause(2 * HEARTBEAT_MS);
  await publish(hub.url, { channel: 'others', data: 1 });
  await pause(2 * HEARTBEAT_MS);
  for (const { name, shown } of running) quiet.set(name, [quiet.get(name)?.[0] ?? 0, shown.length]);
}

async function publishOne(event: object): Promise<void> {
  published.push((await publish(hub.url, { channel: 'all', ...event })).id);
}

function renewEpoch(): void {
  const { status, stderr } = spawnSync(process.execPath, [COMMAND, 'epoch', 'renew', '--data', data], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
}

function run(name: string, [program, ...args]: readonly string[]): Running {
  const child = spawn(program as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  atExit(() => child.kill('SIGKILL'));
  const shown: Shown[] = [];
  let rest = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) if (line !== '') shown.push(JSON.parse(line) as Shown);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return { name, child, shown, errors: () => errors };
}

/** Waits for all clients, whose programs start at one time. The error names the missing ones. */
async function all(what: string, condition: (client: Running) => boolean): Promise<void> {
  const late = (): readonly Running[] => running.filter((client) => !condition(client));
  try {
    await until(`each client ${what}`, () => late().length === 0, BACKLOG_TIMEOUT_MS);
  } catch (error) {
    const named = late().map(
      ({ name, shown, errors }) =>
        `${name}: ${shown
          .slice(-4)
          .map(({ event, id }) => `${event} ${id}`)
          .join(', ')} ${errors().slice(-600)}`,
    );
    throw new Error(`In vain: each client ${what}\n${named.join('\n')}`, { cause: error });
  }
}

function count(shown: readonly Shown[], name: string): number {
  return shown.filter(({ event }) => event === name).length;
}

/** The events of the channel; each must be JSON. */
function eventsOf(shown: readonly Shown[]): readonly { id: string; type?: string; data: unknown }[] {
  return shown
    .filter(({ event, data: text }) => event === 'message' && text !== '')
    .map((each) => JSON.parse(each.data) as { id: string; data: unknown });
}
