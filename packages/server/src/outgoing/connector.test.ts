import { connect, type TcpNetConnectOpts } from 'node:net';
import { expect, test } from 'vitest';
import { openWebServer } from '../testing/test-servers.ts';
import { post, testSender } from './testing/test-sender.ts';

test('the address of the socket is checked, whatever was requested', async () => {
  const paths: (string | undefined)[] = [];
  const { port } = await openWebServer((request, response) => {
    paths.push(request.url);
    response.end();
  });
  const asked: (string | undefined)[] = [];
  const dial = ({ host }: TcpNetConnectOpts): ReturnType<typeof connect> => {
    asked.push(host);
    return connect(port, '127.0.0.1');
  };
  const sender = testSender({ dial });
  expect(await sender.send(post('http://1.1.1.1/'))).toMatchObject({ failure: 'destination' });
  expect(asked).toEqual(['1.1.1.1']);
  expect(paths).toEqual([]);
});

test('a connection that is cancelled while it opens is closed, at any stage', async () => {
  const sender = testSender({ loopback: true });
  const { url, server } = await openWebServer(() => undefined);
  const sending = sender.send(post(url, { timeoutMs: 50 }));
  expect((await sending).failure).toBe('timeout');
  await expect.poll(() => sender.metrics.open).toBe(0);
  await expect.poll(() => new Promise((resolve) => void server.getConnections((_, count) => resolve(count)))).toBe(0);
});
