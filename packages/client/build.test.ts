import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { buildClient } from './build.ts';
import type * as Client from './src/index.ts';
import { numbers, QUICK, until } from './src/testing/consumer.ts';
import { hubForTest } from './src/testing/hub.ts';

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polycast-client-'));
  // Without a package.json above it, Node takes a file for a module by its text.
  await buildClient(folder);
  file = join(folder, 'client.js');
});
afterAll(() => rm(folder, { recursive: true }));

test('the bundle is one module without an import, under 10 kB', async () => {
  const code = await readFile(file, 'utf8');
  expect(code).not.toMatch(/\bimport\b/);
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(10_000);
});

test.each(['websocket', 'sse', 'long-poll', 'poll'] as const)(
  'the bundle does over %s what its sources do',
  async (transport) => {
    const hub = await hubForTest();
    const { connect, PolycastError } = (await import(pathToFileURL(file).href)) as typeof Client;
    const connection = connect(hub.url, { ...QUICK, transports: [transport] });
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
    await expect(connection.publish('a b', 1)).rejects.toThrow(PolycastError);
    expect(connection.state).toMatchObject({ state: 'open', transport });
  },
);
