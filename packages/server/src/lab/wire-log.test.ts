import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import type { WireRecord } from './records.ts';
import { WireLog } from './wire-log.ts';

test('a page receives new records, numbered', async () => {
  const { log, watch } = await served();
  log.append(record(1));
  const page = await watch();
  log.append(record(2));
  expect(await page.text(/id: 2\n/)).toBe(`retry: 250\n\nid: 2\ndata: ${JSON.stringify(record(2))}\n\n`);
});

test('a page that reconnects receives the records it missed', async () => {
  const { log, watch } = await served();
  for (const atMs of [1, 2, 3]) log.append(record(atMs));
  const page = await watch(1);
  expect(ids(await page.text(/id: 3\n/))).toEqual([2, 3]);
});

test('a number ahead of this log, from an earlier run, means from now on', async () => {
  const { log, watch } = await served();
  log.append(record(1));
  const page = await watch(500);
  log.append(record(2));
  expect(ids(await page.text(/id: 2\n/))).toEqual([2]);
});

test('old records are removed, and the page receives the number of those that it missed', async () => {
  const { log, watch } = await served();
  for (let atMs = 1; atMs <= 20_001; atMs++) log.append(record(atMs));
  const page = await watch(1);
  const text = await page.text(/id: 20001\n/);
  const [first = 0] = ids(text);
  expect(first).toBeGreaterThan(5000);
  expect(text).toContain(`event: lost\ndata: ${first - 2}\n\n`);
});

test('a page that does not read costs no memory; when it continues to read, it receives everything', async () => {
  const { log, watch } = await served();
  const page = await watch();
  page.response.pause();
  const bytes = 'x'.repeat(1000);
  for (let number = 1; number <= 3000; number++)
    log.append({ kind: 'bytes', lane: 'sse', connection: 1, direction: 'up', atMs: number, bytes });
  page.response.resume();
  expect(ids(await page.text(/id: 3000\n/))).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
});

test('the number of watching pages is bounded', async () => {
  const { watch, status } = await served();
  for (let page = 0; page < 16; page++) await watch();
  expect(await status()).toBe(503);
});

async function served(): Promise<{
  log: WireLog;
  watch: (after?: number) => Promise<Page>;
  status: () => Promise<number | undefined>;
}> {
  const log = new WireLog();
  const server = createServer((request, response) => {
    const after = request.headers['last-event-id'];
    if (!log.watch(response, after === undefined ? undefined : Number(after))) response.writeHead(503).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    log.close();
    server.closeAllConnections();
    server.close();
  });
  const ask = async (after?: number): Promise<IncomingMessage> => {
    const { port } = server.address() as AddressInfo;
    const [response] = (await once(
      get({ port, host: '127.0.0.1', headers: after === undefined ? {} : { 'last-event-id': after } }),
      'response',
    )) as [IncomingMessage];
    return response;
  };
  return { log, watch: async (after) => pageOf(await ask(after)), status: async () => (await ask()).statusCode };
}

interface Page {
  readonly response: IncomingMessage;
  /** All text received, as soon as it matches. */
  text(pattern: RegExp): Promise<string>;
}

function pageOf(response: IncomingMessage): Page {
  let received = '';
  response.setEncoding('utf8').on('data', (text: string) => (received += text));
  return {
    response,
    async text(pattern) {
      while (!pattern.test(received)) await once(response, 'data');
      return received;
    },
  };
}

function record(atMs: number): WireRecord {
  return { kind: 'hub', action: 'restart', change: 'back', atMs };
}

function ids(text: string): number[] {
  return [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
}
