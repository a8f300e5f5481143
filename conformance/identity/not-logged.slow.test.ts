import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { startHubProcess } from '../kit/hub-process.ts';
import { firstKey } from './kit/keys.ts';

const MARK = 'mustNotBeLogged';

/** PROTOCOL.md section 4: credentials are never logged, whatever becomes of the request. */
test('the log contains no credentials, valid, invalid or malformed, at any level', async () => {
  const hub = await startHubProcess({
    config: {
      access: 'rules',
      logging: { level: 'debug' },
      rules: [{ pattern: 'a', subscribe: ['anyone'] }],
      identity: {
        tokenCookie: 'session',
        tokens: [{ keys: [{ algorithm: 'HS256', secret: `a secret of thirty-two bytes ${MARK}` }] }],
      },
    },
  });
  onTestFinished(async () => void (await hub.end('SIGTERM')));
  const key = await firstKey(hub);
  const jwt = `${part({ alg: 'HS256' })}.${part({ sub: MARK })}.${MARK}`;
  for (const token of [MARK, jwt, `pck_${MARK}`, key, encodeURIComponent(`${MARK}\n"`)]) {
    for (const path of [
      '/v1/events?channel=a',
      '/v1/events?channel=b',
      '/v1/channels/b/history?limit=1',
      '/none?x=1',
    ]) {
      await text(`${hub.url}${path}&token=${token}`);
      await text(`${hub.url}${path}`, { headers: { Authorization: `Bearer ${token}`, Cookie: `session=${token}` } });
    }
    await text(`${hub.url}/v1/events?token=${token}`, { method: 'POST', body: '{' });
    for (const path of ['/v1/events?channel=b', '/v1/events?wrong=1', '/none?x=1'])
      await tried(`${hub.url}${path}&token=${token}`);
    const socket = new WebSocket(hub.url.replace('http', 'ws') + '/v1/events');
    await once(socket, 'open');
    socket.send(JSON.stringify({ op: 'auth', token }));
    await once(socket, 'message');
    socket.terminate();
    await raw(
      hub.port,
      `GET /v1/events?channel=a&token=${token} HTTP/1.1\r\nHost: localhost\r\nBad header ${token}\r\n\r\n`,
    );
    await raw(hub.port, `GET /v1/events?token=${token}&x=${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`);
  }
  expect(await (await fetch(`${hub.url}/metrics`)).text()).not.toContain(MARK);
  expect(hub.log()).toContain('listening');
  for (const secret of [MARK, key, jwt, part({ sub: MARK })]) expect(hub.log()).not.toContain(secret);
  expect(hub.output().replace(key, '')).not.toContain(key);
});

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

async function text(url: string, init: RequestInit = {}): Promise<string> {
  return (await fetch(url, init)).text();
}

/** An upgrade that is refused. */
async function tried(url: string): Promise<void> {
  const socket = new WebSocket(url.replace('http', 'ws'));
  socket.on('error', () => undefined);
  await new Promise((resolve) => {
    socket.on('close', resolve);
    socket.on('open', () => socket.terminate());
  });
}

async function raw(port: number, bytes: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.end(bytes);
  socket.resume();
  await closed;
}
