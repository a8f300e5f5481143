import { describe, expect, test } from 'vitest';
import { openWebServer } from '../testing/test-servers.ts';
import { post, testSender } from './testing/test-sender.ts';

describe('a request', () => {
  test('arrives unchanged, and its answer is returned with the durations', async () => {
    const { url } = await openWebServer(async (request, response) => {
      const pieces = await request.toArray();
      response.setHeader('X-Two', ['a', 'b']);
      response
        .writeHead(202)
        .end(JSON.stringify([request.method, request.url, request.headers, `${Buffer.concat(pieces)}`]));
    });
    const sent = await testSender({ loopback: true }).send(post(`${url}/a?b=1`, { headers: { 'x-mine': '7' } }));
    expect(sent).toMatchObject({
      failure: undefined,
      detail: '',
      isPrivateAddress: false,
      answer: { status: 202, isCut: false },
    });
    expect(sent.answer?.headers['x-two']).toBe('a, b');
    const [method, path, headers, body] = JSON.parse(sent.answer?.body ?? '') as [string, string, object, string];
    expect([method, path, body]).toEqual(['POST', '/a?b=1', 'hello']);
    expect(headers).toMatchObject({
      'accept-encoding': 'identity',
      'user-agent': 'Polycast/test',
      'x-mine': '7',
      'content-length': '5',
    });
    const { timing } = sent;
    expect(timing.tlsMs).toBeUndefined();
    const parts = (timing.nameMs ?? NaN) + (timing.connectMs ?? NaN) + (timing.firstByteMs ?? NaN);
    expect(parts).toBeGreaterThan(0);
    expect(parts).toBeLessThanOrEqual(timing.totalMs);
  });

  test('on an open connection has no duration for a new one', async () => {
    const ports: (number | undefined)[] = [];
    const { url } = await openWebServer((request, response) => {
      ports.push(request.socket.remotePort);
      response.end();
    });
    const own = testSender({ loopback: true });
    await own.send(post(url));
    const { timing } = await own.send(post(url));
    expect(timing).toMatchObject({ nameMs: undefined, connectMs: undefined, tlsMs: undefined });
    expect(new Set(ports).size).toBe(1);
    expect(own.metrics).toEqual({ open: 1, idle: 1, waiting: 0 });
  });
});
