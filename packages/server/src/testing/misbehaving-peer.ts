import { createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { listenUntilTestEnds } from './test-servers.ts';

/** Complete answers, one for each way in which an answer marks its end. */
export const ANSWERS: Readonly<Record<string, string>> = {
  'a length': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'a length, and a close': 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
  chunks: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n',
  'its connection': 'HTTP/1.1 200 OK\r\n\r\nok',
  'its connection, as a refusal': 'HTTP/1.1 500 No\r\n\r\nok',
  'its connection, in HTTP/1.0': 'HTTP/1.0 200 OK\r\n\r\nok',
  'no body': 'HTTP/1.1 204 No Content\r\n\r\n',
  'interim answers first': 'HTTP/1.1 103 Hints\r\nLink: </>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'a redirect': 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\nok',
  'an encoding': 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nok',
  'another protocol': 'HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nok',
  'a second answer': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\nok',
};

/** The peer's action after the first bytes of its answer. */
export type Ending = (socket: Socket, rest: string) => void;

export const ENDINGS: Readonly<Record<string, Ending>> = {
  'the rest': (socket, rest) => setImmediate(() => socket.write(rest, 'latin1')),
  'the rest, and an end': (socket, rest) => setImmediate(() => socket.end(rest, 'latin1')),
  'the rest, and a reset': (socket, rest) =>
    setImmediate(() => socket.write(rest, 'latin1', () => socket.resetAndDestroy())),
  silence: () => undefined,
  'an end': (socket) => socket.end(),
  'a reset': (socket) => setImmediate(() => socket.resetAndDestroy()),
  garbage: (socket) => setImmediate(() => socket.write('\0\xff\r\n\r\n', 'latin1')),
  'garbage, and an end': (socket) => setImmediate(() => socket.end('\0\xff\r\n\r\n', 'latin1')),
};

export interface MisbehavingPeer {
  readonly port: number;
  /** The number of answers that have begun. */
  readonly startedCount: number;
}

/**
 * A server that answers `/N` with the first N bytes of the answer, followed by this ending. It
 * stays half-open if possible.
 */
export async function misbehavingPeer(answer: string, ending: Ending): Promise<MisbehavingPeer> {
  const peer = { port: 0, startedCount: 0 };
  const server = createServer({ allowHalfOpen: true }, (socket) => answerPrefix(socket, answer, ending, peer));
  peer.port = await listenUntilTestEnds(server);
  return peer;
}

/** Answers requests on this socket, plain or encrypted. */
export function answerPrefix(socket: Socket, answer: string, ending: Ending, count: { startedCount: number }): void {
  let head = '';
  socket.on('error', () => undefined);
  socket.on('data', (piece: Buffer) => {
    head += piece.toString('latin1');
    if (!head.includes('\r\n\r\n')) return;
    const length = Number(/^\w+ \/(\d+)/.exec(head)?.[1]);
    head = '';
    if (Number.isNaN(length)) return;
    if (length > 0) socket.write(answer.slice(0, length), 'latin1');
    count.startedCount++;
    ending(socket, answer.slice(length));
  });
}

/** The uncaught errors, from now until the end of the test. */
export function uncaughtErrors(): readonly unknown[] {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  process.on('uncaughtExceptionMonitor', onError);
  onTestFinished(() => void process.off('uncaughtExceptionMonitor', onError));
  return errors;
}
