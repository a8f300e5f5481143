import type { ServerHttp2Stream } from 'node:http2';
import type { Batch } from '../core/batch.ts';
import type { Consumer } from './consumer.ts';
import { own, type Owned } from './owned-socket.ts';
import type { Services } from './services.ts';
import { StreamSession, type Wording } from './stream-session.ts';

/** Begins an event stream in a stream of HTTP/2: the same session and the same bytes as on a connection of its own. */
export function openHttp2Session(
  services: Services,
  wording: Wording,
  stream: ServerHttp2Stream,
  headers: readonly string[],
  consumer: Consumer,
): StreamSession {
  const fields: Record<string, string | number> = { ':status': 200 };
  for (let index = 0; index < headers.length; index += 2)
    fields[(headers[index] as string).toLowerCase()] = headers[index + 1] as string;
  stream.respond(fields);
  return new Http2Session(services, wording, own(stream) as unknown as Owned, consumer);
}

/**
 * A stream never takes bytes at once: its connection gathers what all its streams have and writes it together. So there is one write a
 * batch, and the next one waits until this one is out, which the client's window decides.
 */
class Http2Session extends StreamSession {
  /** Writes that are not out yet. */
  #unflushed = 0;

  override deliver(batch: Batch, tellGap: boolean): boolean {
    if (tellGap) this.tellGap(batch);
    const { bytes, count } = this.toSend(batch);
    if (count === 0) return !tellGap;
    this.services.figures.deliveries[this.transport] += count;
    this.#write(bytes);
    return false;
  }

  /** Heartbeats too: on a window that is closed, each would wait beside the one before. */
  override send(bytes: string | Uint8Array): void {
    if (this.phase !== 'closed') this.#write(bytes);
  }

  #write(bytes: string | Uint8Array): void {
    this.sentTick = this.services.wheel.tick;
    if (this.#unflushed++ === 0) this.block();
    this.socket.write(bytes, this.#written);
  }

  readonly #written = (): void => {
    if (--this.#unflushed === 0) this.flushed();
  };
}
