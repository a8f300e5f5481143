import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { clientRoutes } from './client-route.ts';
import { findAsset } from '../platform/package-files.ts';

const SCRIPT = 'export const answer = 42;\n'.repeat(100);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Serves `/client.js` from a folder of its own. */
async function serve(): Promise<{
  build(script: string): void;
  ask(headers?: Readonly<Record<string, string>>): Promise<Answer>;
}> {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-client-'));
  const [route] = clientRoutes((name) => findAsset(join(folder, name.replace('/', '-'))));
  const server = createServer((message, response) => {
    Promise.resolve(route?.answer(message, response, {}, '')).catch((error: { code: string }) => {
      response.writeHead(404).end(error.code);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  });
  return {
    build: (script) => writeFileSync(join(folder, 'client.js'), script),
    async ask(headers = {}) {
      const { port } = server.address() as AddressInfo;
      const asking = request({ port, host: '127.0.0.1', headers }).end();
      const [answer] = await once(asking, 'response');
      const pieces: Buffer[] = [];
      for await (const piece of answer) pieces.push(piece as Buffer);
      return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) };
    },
  };
}

test.each([
  ['gzip, br', 'br', brotliDecompressSync],
  ['gzip;q=0.5, br;q=0', 'gzip', gunzipSync],
  ['deflate', undefined, (bytes: Buffer) => bytes],
])(
  'with Accept-Encoding %s the client is as small as that allows, and is not sent twice',
  async (accepted, coding, plain) => {
    const { build, ask } = await serve();
    build(SCRIPT);
    const { status, headers, body } = await ask({ 'accept-encoding': accepted });
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'content-length': String(body.length),
      'cache-control': 'no-cache',
      vary: 'Accept-Encoding',
      'cross-origin-resource-policy': 'cross-origin',
    });
    expect(headers['content-encoding']).toBe(coding);
    expect(plain(body).toString()).toBe(SCRIPT);
    expect(body.length < 200).toBe(coding !== undefined);
    const known = { 'accept-encoding': accepted, 'if-none-match': `"x", ${headers.etag}` };
    const again = await ask(known);
    expect(again).toMatchObject({ status: 304, headers: { etag: headers.etag, vary: 'Accept-Encoding' } });
    expect(again.body).toHaveLength(0);
    build(SCRIPT + '// more\n');
    expect(await ask(known)).toMatchObject({ status: 200 });
  },
);

test('a client that has not been built is not found until it is', async () => {
  const { build, ask } = await serve();
  expect(await ask()).toMatchObject({ status: 404, body: Buffer.from('not_found') });
  build('1');
  expect(await ask({ 'accept-encoding': 'br' })).toMatchObject({ status: 200, body: Buffer.from('1') });
});
