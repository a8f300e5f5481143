import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Batch } from '../core/events/batch.ts';
import type { Position } from '../core/ports.ts';
import type { ReadRequest } from './read-request.ts';
import { withErrorListener } from '../http/sockets/error-safe-socket.ts';
import type { SessionParts } from './stream-parts.ts';
import type { ControlFrames } from './control-frames.ts';
import { StreamSession } from './stream-session.ts';

/** The stream of a response over HTTP/2; `undefined` over HTTP/1.1. */
export function http2StreamOf(response: ServerResponse): ServerHttp2Stream | undefined {
  // Node's responses of HTTP/1.1 have no such member. `instanceof` would need the class of HTTP/2
  // responses, and with it Node's HTTP/2, which most hubs do not load.
  return (response as { readonly stream?: ServerHttp2Stream }).stream;
}

/**
 * Starts an event stream in an HTTP/2 stream, with the same session and the same bytes as on a
 * connection of its own.
 */
export function openHttp2Stream(
  parts: SessionParts,
  frames: ControlFrames,
  stream: ServerHttp2Stream,
  headers: readonly string[],
  readRequest: ReadRequest,
): StreamSession {
  const fields: Record<string, string | number> = { ':status': 200 };
  for (let index = 0; index < headers.length; index += 2)
    fields[(headers[index] as string).toLowerCase()] = headers[index + 1] as string;
  stream.respond(fields);
  return new Http2StreamSession(parts, frames, withErrorListener(stream), readRequest);
}

/**
 * An event stream in an HTTP/2 stream. The HTTP/2 stream never takes bytes immediately: the
 * connection collects the bytes of all its streams and writes them together. So each batch is one
 * write. The next write waits for its callback, which depends on the client's flow control window.
 */
class Http2StreamSession extends StreamSession {
  /** Writes without a callback so far. */
  #pendingWrites = 0;

  override deliver(batch: Batch, sendGapFirst: boolean): boolean {
    if (sendGapFirst) this.sendBatchGap(batch);
    const { bytes, count } = this.withoutOwnEvents(batch);
    if (count === 0) return !sendGapFirst;
    this.parts.stats.deliveries[this.transport] += count;
    this.#write(bytes, batch.from);
    return false;
  }

  /**
   * Counts heartbeats as pending writes too. Otherwise they would queue up behind a closed window.
   */
  override send(bytes: string | Uint8Array): void {
    if (this.phase !== 'closed') this.#write(bytes);
  }

  #write(bytes: string | Uint8Array, from?: Position): void {
    this.sentTick = this.parts.wheel.tick;
    if (this.#pendingWrites++ === 0) this.markBlocked(from);
    this.socket.write(bytes, this.#onWritten);
  }

  readonly #onWritten = (): void => {
    if (--this.#pendingWrites === 0) this.markFlushed();
  };
}
