import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selfSigned } from '../kit/certificates.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { rawConnection, type RawSocket } from '../kit/wire/raw-socket.ts';

/** A reset races with the hub's own write, so each case is repeated this often. */
const TIMES = 3;

const HOST = 'Host: localhost\r\n';
const HELD = `GET /v1/events?channel=a&wait=20 HTTP/1.1\r\n${HOST}\r\n`;
const QUICK = `GET /healthz HTTP/1.1\r\n${HOST}\r\n`;
const STREAM = `GET /v1/events?channel=a HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`;
const CONNECT = `CONNECT a HTTP/1.1\r\n${HOST}\r\n`;
const KEY = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const upgrade = (headers = '', body = ''): string =>
  `GET /v1/events HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n${KEY}${headers}\r\n${body}`;
const NO_HTTP = '\0\r\n\r\n';
const POST = `POST /v1/channels/b/events HTTP/1.1\r\n${HOST}Content-Type: text/plain\r\n`;

/** Requests that one connection may carry, one after the other. */
const REQUESTS: Readonly<Record<string, string>> = {
  'a held poll': HELD,
  'a short answer': QUICK,
  'an event stream': STREAM,
  CONNECT,
  'CONNECT with a body': `CONNECT a HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
  'CONNECT with half a body': `CONNECT a HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhe`,
  'an upgrade': upgrade(),
  'an upgrade with a body': upgrade('Content-Length: 5\r\n', 'hello'),
  'an upgrade with half a body': upgrade('Content-Length: 5\r\n', 'he'),
  'an upgrade with a chunked body': upgrade('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'),
  'bytes that are no HTTP': NO_HTTP,
  'a publish': `${POST}Content-Length: 5\r\n\r\nhello`,
  'half a publish': `${POST}Content-Length: 5\r\n\r\nhe`,
  'half a request': 'GET /v1/events?channel=a HTTP/1.1\r\nHost:',
  'a request of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
};

const ENDINGS: Readonly<Record<string, (raw: RawSocket) => void>> = {
  'a reset': (raw) => raw.reset(),
  'a half-close, then a reset': (raw) => {
    raw.socket.end();
    setImmediate(() => raw.reset());
  },
  'its end': (raw) => raw.destroy(),
};

describe.each(['http', 'https'])('connections that end early (PROTOCOL.md section 9.2), over %s', (scheme) => {
  let hub: HubProcess;
  beforeAll(async () => {
    hub = await startHubProcess(scheme === 'http' ? {} : { config: { tls: selfSigned() } });
  });
  afterAll(() => hub.end('SIGKILL'));

  test.each(Object.entries(REQUESTS))(
    '%s, alone and before each other: other clients are served',
    async (first, bytes) => {
      for (const [second, more] of [['nothing', ''], ...Object.entries(REQUESTS)] as [string, string][]) {
        await Promise.all(Object.values(ENDINGS).map((end) => breakOff(hub.url, bytes + more, end)));
        const answer = await call(`${hub.url}/healthz`).catch((error: unknown) => ({ status: String(error) }));
        expect(answer.status, `after ${first}, then ${second}`).toBe(200);
      }
    },
  );

  test('the hub logs no internal error for any of them', () => {
    expect(hub.child.exitCode).toBeNull();
    expect(hub.log()).not.toContain('"level":"error"');
  });
});

/** Some before the hub has read the request, some after it has answered. */
async function breakOff(hub: string, bytes: string, end: (raw: RawSocket) => void): Promise<void> {
  const raws = await Promise.all(Array.from({ length: TIMES }, () => rawConnection(hub)));
  for (const [index, raw] of raws.entries()) {
    raw.send(bytes);
    if (index > 0) await new Promise((resolve) => setImmediate(resolve));
    end(raw);
  }
}
