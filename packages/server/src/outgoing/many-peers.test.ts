import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { openTcpServer } from '../testing/test-servers.ts';
import { post, testSender } from './testing/test-sender.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const FINE = `${OK}Content-Length: 2\r\n\r\nok`;

/** Behaviours of a peer, and the sender's outcome of each. */
const PEER_BEHAVIOURS: Readonly<Record<string, readonly [answer: (socket: Socket) => void, outcome: string]>> = {
  fine: [(socket) => socket.write(FINE), '200'],
  last: [(socket) => socket.end(`${OK}Connection: close\r\nContent-Length: 0\r\n\r\n`), '200'],
  old: [(socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nok'), '200'],
  busy: [(socket) => socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'), '503'],
  long: [(socket) => socket.write(`${OK}Content-Length: 99999\r\n\r\n${'x'.repeat(40_000)}`), '200'],
  poison: [(socket) => socket.write(FINE + FINE), '200'],
  half: [(socket) => socket.end(`${OK}Content-Length: 50\r\n\r\nhalf`), 'connection'],
  reset: [(socket) => socket.resetAndDestroy(), 'connection'],
  babble: [(socket) => socket.write('babble\r\n\r\n'), 'answer'],
  hang: [() => undefined, 'timeout'],
};

test('with many good and bad hosts each request has its own outcome, within all limits, and all resources are released', async () => {
  const moods = Object.keys(PEER_BEHAVIOURS);
  const hosts = await Promise.all(
    Array.from({ length: 6 }, () =>
      openTcpServer((socket, piece) => {
        const mood = /^POST \/(\w+)/.exec(piece)?.[1];
        // A request sometimes arrives in two pieces. Its body is not a request.
        if (mood !== undefined) PEER_BEHAVIOURS[mood]?.[0](socket);
      }),
    ),
  );
  const sender = testSender({ loopback: true, connectionsMax: 8, connectionsPerHostMax: 3 });
  const outcomes = Array.from({ length: 600 }, async (_, index) => {
    const mood = moods[(index * 7) % moods.length] as string;
    const host = hosts[(index * 5) % hosts.length] as string;
    // Only `hang` needs its timeout. The other peers get as much time as a busy machine may need.
    const sent = await sender.send(post(`${host}/${mood}`, { timeoutMs: mood === 'hang' ? 150 : 60_000 }));
    const { open, idle } = sender.metrics;
    expect(open).toBeLessThanOrEqual(8);
    expect(idle).toBeLessThanOrEqual(open);
    return `${mood}: ${sent.answer?.status ?? sent.failure}`;
  });
  const expected = Object.entries(PEER_BEHAVIOURS).map(([mood, [, outcome]]) => `${mood}: ${outcome}`);
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set(expected));
  expect(sender.metrics.waiting).toBe(0);
  await expect.poll(() => sender.metrics.open - sender.metrics.idle).toBe(0);
});
