import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { rolldown } from 'rolldown';
import { buildClient, COMPANIONS } from './build.ts';
import type * as Client from './src/index.ts';
import type * as Presence from './src/presence.ts';
import type * as Tabs from './src/tabs.ts';
import { numbers, FAST_TIMING, until } from './src/testing/connections.ts';
import { hubForTest } from './src/testing/hub.ts';
import { TOKEN_SETTINGS, tokenOf } from './src/testing/tokens.ts';

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polycast-client-'));
  // Without a package.json above it, Node recognises a module by its syntax.
  await buildClient(folder);
  file = join(folder, 'client.js');
});
afterAll(() => rm(folder, { recursive: true }));

test('the bundle is one module without imports, of at most 10 kB; each companion has at most 1.5 kB', async () => {
  const code = await readFile(file, 'utf8');
  expect(code).not.toMatch(/\bimport\b/);
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(10_000);
  for (const name of COMPANIONS) {
    const companion = await readFile(join(folder, 'client', `${name}.js`), 'utf8');
    expect(companion).not.toMatch(/\bimport\b/);
    expect(gzipSync(companion, { level: 9 }).length).toBeLessThan(1500);
  }
});

test('rolldown without plugins builds the client in the size that its README states', async () => {
  const build = await rolldown({ input: join(import.meta.dirname, 'src/index.ts'), platform: 'browser' });
  const { output } = await build.generate({ format: 'esm', minify: true });
  await build.close();
  expect(gzipSync(output[0].code, { level: 9 }).length).toBeLessThan(12_500);
});

test.each(['websocket', 'sse', 'long-poll', 'short-poll'] as const)(
  'the bundle and its companions handle users over %s like their sources',
  async (transport) => {
    const rules = [{ pattern: 'room', subscribe: 'users', publish: 'users', presence: 'users' }];
    const hub = await hubForTest({
      settings: ['access=rules', `rules=${JSON.stringify(rules)}`, 'identity.expiringSeconds=1', ...TOKEN_SETTINGS],
    });
    const { connect } = (await import(pathToFileURL(file).href)) as typeof Client;
    const { presence } = (await companion('presence')) as typeof Presence;
    const { shareTabs } = (await companion('tabs')) as typeof Tabs;
    const reasons: string[] = [];
    // It is valid when the hub sees it, also where the machine stands still for some seconds.
    const tokens = [-60, 6];
    const excludesSelf = transport === 'sse' || transport === 'short-poll';
    const connection = connect(hub.url, {
      ...FAST_TIMING,
      transports: [transport],
      ...(excludesSelf ? { excludeSelf: true } : { share: shareTabs(transport) }),
      getToken({ reason }) {
        reasons.push(reason);
        return tokenOf('ada', tokens.shift() ?? 60);
      },
    });
    onTestFinished(() => connection.close());
    const seen: unknown[] = [];
    await connection.me(({ data }) => seen.push(data)).joined;
    await connection.subscribe('room', ({ data }) => seen.push(data)).joined;
    await until(() => reasons.length >= 3);
    expect(reasons.slice(0, 2)).toEqual(['first', 'refused']);
    for await (const { members } of presence(connection, 'room')) if (members.length === 1) break;
    await connection.publish('room', 'mine');
    const publishing = { 'Content-Type': 'application/json', Authorization: `Bearer ${tokenOf('bo')}` };
    await fetch(`${hub.url}/v1/channels/room/events`, { method: 'POST', headers: publishing, body: '"of another"' });
    await until(() => seen.includes('of another'));
    expect(seen).toEqual(excludesSelf ? ['of another'] : ['mine', 'of another']);
    expect(() => connect(hub.url, { excludeSelf: true, share: shareTabs() })).toThrow(TypeError);
    connection.on('error', () => undefined);
    await expect(connection.publish('secret', 1)).rejects.toMatchObject({ code: 'forbidden' });
  },
);

function companion(name: string): Promise<unknown> {
  return import(pathToFileURL(join(folder, 'client', `${name}.js`)).href);
}

const QUERY_PARAMETERS = ['channel', 'after', 'history', 'limit', 'type', 'wait', 'presence'];

test.each(['websocket', 'sse', 'long-poll', 'short-poll'] as const)(
  'the bundle behaves over %s like its sources',
  async (transport) => {
    const hub = await hubForTest();
    const { connect, PolycastError } = (await import(pathToFileURL(file).href)) as typeof Client;
    const parameters = new Set<string>();
    const fetchWatched: typeof fetch = (input, init) => {
      for (const name of new URL(String(input)).searchParams.keys()) parameters.add(name);
      return fetch(input, init);
    };
    const connection = connect(hub.url, { ...FAST_TIMING, transports: [transport], fetch: fetchWatched });
    onTestFinished(() => connection.close());
    const seen: unknown[] = [];
    await connection.subscribe('a.*', ({ data }) => seen.push(data)).joined;
    for (const number of numbers(20)) await connection.publish('a.b', number);
    await until(() => seen.length >= 20);
    expect(seen).toEqual(numbers(20));
    const iterated: unknown[] = [];
    for await (const { data } of connection.subscribe(['a.b', 'c'], { history: 8, bufferEventsMax: 3 })) {
      if (iterated.push(data) === 8) break;
    }
    expect(iterated).toEqual(numbers(20).slice(12));
    expect([...parameters]).toEqual(expect.arrayContaining(['channel', 'history', 'limit', 'presence']));
    expect(QUERY_PARAMETERS).toEqual(expect.arrayContaining([...parameters]));
    await expect(connection.publish('a b', 1)).rejects.toThrow(PolycastError);
    expect(connection.state).toMatchObject({ state: 'open', transport });
  },
);
