import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface Traffic {
  readonly requests: number;
  /** In both directions, with headers and framing, without those of TCP. */
  readonly bytes: number;
}

/** A request, and the bytes of its connection until the next one. */
interface Counted {
  readonly request: IncomingMessage;
  readonly fromBytes: number;
  /** Undefined while it is open. */
  toBytes: number | undefined;
}

/** Of a run with more requests, the oldest are forgotten. */
const REQUESTS_MAX = 200_000;

/**
 * Counts requests and their bytes. A browser sends its next request on a connection after the
 * answer to the one before. So each byte of a connection belongs to one request.
 */
export class TrafficCounter {
  #counted: Counted[] = [];
  /** The bytes of each connection that earlier requests have had. */
  readonly #endBytes = new WeakMap<Socket, number>();

  begin(request: IncomingMessage, answer: ServerResponse | Socket): void {
    const { socket } = request;
    const counted: Counted = { request, fromBytes: this.#endBytes.get(socket) ?? 0, toBytes: undefined };
    this.#counted.push(counted);
    if (this.#counted.length > REQUESTS_MAX) this.#counted = this.#counted.slice(-REQUESTS_MAX / 2);
    answer.once('close', () => {
      counted.toBytes = bytesOf(socket);
      this.#endBytes.set(socket, counted.toBytes);
    });
  }

  traffic(matches: (request: IncomingMessage) => boolean = () => true): Traffic {
    const matching = this.#counted.filter(({ request }) => matches(request));
    const sizes = matching.map(({ request, fromBytes, toBytes = bytesOf(request.socket) }) => toBytes - fromBytes);
    return { requests: matching.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  }
}

function bytesOf({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten;
}
