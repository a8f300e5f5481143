// Usage: `node bare-streams.ts PORT net|http [KEY]`. It shows the cost of an event stream in this
// runtime, without a hub. It accepts a connection, reads the request (with node:http, or not at
// all), writes the first bytes past every response, and stores nothing. With a key it verifies the
// ES256 token of the request.
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';

const [port = '0', kind, keyFile] = process.argv.slice(2);
const key = keyFile === undefined ? undefined : createPublicKey(readFileSync(keyFile));
const backlog = 4096;

/** As many bytes as the hub's. */
const head = [
  'HTTP/1.1 200 OK',
  'Content-Type: text/event-stream',
  'Cache-Control: no-store, no-transform',
  'X-Accel-Buffering: no',
  'X-Content-Type-Options: nosniff',
  'Cross-Origin-Resource-Policy: same-origin',
  'Connection: close',
].join('\r\n');
const ready = '{"cursor":"0000000000-00000000042","session":"0123456789abcdef","heartbeatMs":25000}';
const opening = `${head}\r\n\r\nretry: 2000\nevent: polycast.ready\nid: 0000000000-00000000042\ndata: ${ready}\n\n`;

const server =
  kind === 'net'
    ? createServer({ noDelay: true }, (socket) => {
        socket.once('data', (bytes) => open(socket, bearerIn(bytes.toString('latin1'))));
      })
    : createHttpServer({ keepAliveTimeout: 0, requestTimeout: 0 }, ({ socket, headers }) =>
        open(socket, headers.authorization?.slice('Bearer '.length)),
      );
server.listen(Number(port), '127.0.0.1', backlog);

function open(socket: Socket, token: string | undefined): void {
  socket.on('error', () => socket.destroy());
  if (key !== undefined && !isGenuine(token ?? '', key)) socket.destroy();
  else socket.write(opening, 'latin1');
}

function bearerIn(request: string): string | undefined {
  return /^Authorization: Bearer (\S+)\r$/m.exec(request)?.[1];
}

function isGenuine(token: string, by: NonNullable<typeof key>): boolean {
  const dot = token.lastIndexOf('.');
  const signed = Buffer.from(token.slice(0, dot), 'latin1');
  return verify(
    'sha256',
    signed,
    { key: by, dsaEncoding: 'ieee-p1363' },
    Buffer.from(token.slice(dot + 1), 'base64url'),
  );
}
