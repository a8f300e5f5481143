import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { openTestHub } from '../testing/open-hub.ts';

test.each(['/v1/channels/a', 'http://localhost/v1/channels/a', 'HTTP://localhost/%761/channels/a', '/%761/channels/a'])(
  'a hub that has stopped answers nothing more at %s',
  async (address) => {
    const hub = await openTestHub();
    const socket = connect(hub.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += String(bytes)));
    // The connection stays open for the publish in flight.
    socket.write('POST /v1/channels/a/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n');
    socket.write('Content-Length: 2\r\nExpect: 100-continue\r\n\r\n');
    await expect.poll(() => text).toContain('100 Continue');
    const drained = hub.drain();
    socket.write(`hiGET ${address} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await expect
      .poll(() => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status))
      .toEqual(['100', '201', '503']);
    await drained;
  },
);

test('the host of an absolute request target overrides the header', async () => {
  const { port } = await openTestHub('lab.enabled=true');
  expect(await statusOf(port, 'http://localhost/healthz', 'evil.example')).toBe(200);
  expect(await statusOf(port, 'http://evil.example/healthz', 'localhost')).toBe(421);
});

async function statusOf(port: number, address: string, host = 'localhost'): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(`GET ${address} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const bytes of socket) text += String(bytes);
  return Number(text.slice(9, 12));
}
