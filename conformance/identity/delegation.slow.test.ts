import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import {
  answersBySession,
  openSite,
  type Behaviour,
  type TestSite,
} from '../../packages/server/src/identity/site/testing/site.ts';
import { Canary } from '../kit/clients/canary.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { RawSocket } from '../kit/wire/raw-socket.ts';
import { pause, until } from '../kit/wait.ts';

const MIB = 1024 * 1024;
const CONNECTIONS = 10_000;
const COOKIES = 2000;
const CONCURRENT_MAX = 16;
/** No caller may be refused only because the site, the hub and the clients share a busy machine. */
const PATIENT = { timeoutMs: 30_000, queueTimeoutMs: 120_000 };
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
});

interface Kit {
  readonly site: TestSite;
  readonly hub: HubProcess;
}

async function kit(behave: Behaviour, settings: object = {}): Promise<Kit> {
  const site = await openSite(behave);
  const hub = await startHubProcess({
    config: {
      access: 'rules',
      logging: { level: 'error' },
      rules: [{ pattern: 'canary', subscribe: 'anyone', publish: 'anyone', userPublishRatePerSecond: null }],
      identity: {
        site: { loginUrl: `${site.url}/login`, cookies: ['session'], concurrentMax: CONCURRENT_MAX, ...settings },
      },
    },
  });
  opened.push({ close: () => hub.end('SIGKILL') }, site);
  return { site, hub };
}

/** A page that opens a stream of its visitor's private messages. */
function open({ hub }: Kit, session: string): RawSocket {
  const raw = new RawSocket(connect(hub.port, '127.0.0.1'));
  opened.push({ close: () => raw.socket.destroy() });
  raw.send(
    `GET /v1/events?channel=@me HTTP/1.1\r\nHost: 127.0.0.1:${hub.port}\r\nAccept: text/event-stream\r\nCookie: session=${session}\r\n\r\n`,
  );
  return raw;
}

/** A page of `user-ada`. The hub asks again if the site's first answer comes too late. */
async function openKnown(world: Kit): Promise<RawSocket> {
  for (;;) {
    const known = open(world, 'user-ada');
    await known.receives(/polycast\.ready|"code":"identity_unavailable"/);
    if (known.status === 200) return known;
  }
}

/** A listening socket accepts some thousand connections before it makes others wait. */
async function openAll(world: Kit, sessions: readonly string[]): Promise<RawSocket[]> {
  const all: RawSocket[] = [];
  for (const session of sessions) {
    all.push(open(world, session));
    if (all.length % 1000 === 0) await pause(1);
  }
  await until('all are answered', () => all.every(({ status }) => status !== 0), 90_000);
  return all;
}

function memoryBytes({ hub }: Kit): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${hub.pid}/status`, 'utf8'))?.[1]) * 1024;
}

test('10,000 concurrent connections with 2,000 cookies cause 2,000 calls to the site, within the limit of concurrent calls', async () => {
  const behave: Behaviour = async (asked, response) => {
    await pause(5);
    return answersBySession(300)(asked, response);
  };
  const world = await kit(behave, PATIENT);
  const sessions = Array.from({ length: CONNECTIONS }, (_, index) => `user-${index % COOKIES}`);
  const all = await openAll(world, sessions);
  expect(all.filter(({ status }) => status !== 200)).toHaveLength(0);
  expect(world.site.requests).toHaveLength(COOKIES);
  expect(world.site.concurrentMax).toBeLessThanOrEqual(CONCURRENT_MAX);
  expect(world.site.connections).toBeLessThanOrEqual(CONCURRENT_MAX);
});

test('a site that hangs: connected users stay, others receive Retry-After, and no other request is delayed', async () => {
  const world = await kit(answersBySession(300), { timeoutMs: 1000 });
  const known = await openKnown(world);
  const canary = new Canary(world.hub.url);
  world.site.behave = () => undefined;
  const asked = world.site.requests.length;
  const all = await openAll(
    world,
    Array.from({ length: COOKIES }, (_, index) => `user-${index}`),
  );
  expect(all.filter(({ status }) => status !== 503)).toHaveLength(0);
  await Promise.all(all.map((raw) => raw.receives(/"code":"identity_unavailable"/)));
  expect(all.every(({ text }) => /\r\nRetry-After: \d+\r\n/i.test(text))).toBe(true);
  // The hub pauses requests once a known user's request has failed as well. Until then requests
  // were in flight, and some were retried.
  expect(world.site.requests.length - asked).toBeLessThanOrEqual(3 * CONCURRENT_MAX);
  const again = open(world, 'user-ada');
  await again.receives(/polycast\.ready/);
  expect(known.closed).toBe(false);
  const { errors, slowestMs } = await canary.stop();
  expect(errors).toEqual([]);
  // The time that it may take on a busy machine that opens thousands of connections.
  expect(slowestMs).toBeLessThan(8000);
});

test('answers of a gigabyte from the site are not buffered', async () => {
  let sentBytes = 0;
  const flood: Behaviour = (_asked, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    const chunk = Buffer.alloc(MIB, ' ');
    const more = (): void => {
      for (let count = 0; count < 1024; count++) {
        if (response.destroyed) return;
        sentBytes += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  };
  const world = await kit(flood, { failuresMax: 1000, ...PATIENT });
  const before = memoryBytes(world);
  const canary = new Canary(world.hub.url);
  const all = await openAll(
    world,
    Array.from({ length: 500 }, (_, index) => `user-${index}`),
  );
  expect(all.filter(({ status }) => status !== 503)).toHaveLength(0);
  expect(world.site.requests).toHaveLength(500);
  expect((await canary.stop()).errors).toEqual([]);
  // The bytes read of each answer before it was aborted: 64 KiB and one chunk, collected or not.
  expect(memoryBytes(world) - before).toBeLessThan(128 * MIB);
  // Of 500 gigabytes, only the bytes that fit into the buffers of the sockets.
  expect(sentBytes / 500).toBeLessThan(16 * MIB);
});

test('a site with some invalid answers lets in only the users of its valid answers', async () => {
  const lies: readonly Behaviour[] = [
    () => ({ user: 'eve', ttlSeconds: -1 }),
    (_asked, response) => void response.end('{"user":"eve"'),
    (_asked, response) => void response.writeHead(302, { Location: '/' }).end(),
    () => [],
    (_asked, response) => void response.destroy(),
  ];
  const named = new Set<string>();
  let turn = 0;
  const world = await kit(
    (asked, response) => {
      const lie = lies[turn++ % (lies.length + 1)];
      if (lie !== undefined) return lie(asked, response);
      named.add((asked.body['cookies'] as { session: string }).session);
      return answersBySession(300)(asked, response);
    },
    { failuresMax: 1000, ...PATIENT },
  );
  const sessions = Array.from({ length: 600 }, (_, index) => `user-${index}`);
  const all = await openAll(world, sessions);
  expect(named.size).toBeGreaterThan(50);
  expect(new Set(sessions.filter((_, index) => all[index]?.status === 200))).toEqual(named);
  expect(all.filter(({ status }) => status === 503)).toHaveLength(sessions.length - named.size);
});
