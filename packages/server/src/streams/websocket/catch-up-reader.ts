import { webSocketFraming, type PolycastError } from '@polycast/protocol';
import type { Batch } from '../../core/events/batch.ts';
import type { Feed } from '../../core/feed.ts';
import type { Position } from '../../core/ports.ts';
import { Reader, type Sink } from '../../core/reader.ts';

/** A reader that ends at the session's position. */
export function createCatchUpReader(
  feed: Feed,
  deliver: Sink['deliver'],
  interest: Reader['interest'],
  from: Position,
  through: Position,
  done: (error?: PolycastError) => void,
): Reader {
  const sink = new CatchUpSink(deliver, done);
  return new Reader(feed, sink, interest, webSocketFraming, from, Infinity, through);
}

/** The sink of a reader for channels that catch up. The session sends its batches as its own. */
class CatchUpSink implements Sink {
  readonly #deliver: Sink['deliver'];
  readonly #onDone: (error?: PolycastError) => void;

  constructor(deliver: Sink['deliver'], done: (error?: PolycastError) => void) {
    this.#deliver = deliver;
    this.#onDone = done;
  }

  deliver(batch: Batch, sendGapFirst: boolean): boolean {
    return this.#deliver(batch, sendGapFirst);
  }

  onCaughtUp(): void {
    this.#onDone();
  }

  onFailed(error: PolycastError): void {
    this.#onDone(error);
  }
}
