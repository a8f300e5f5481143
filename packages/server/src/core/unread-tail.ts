import type { PackedEvents, Position, StoredRecord } from './ports.ts';
import { PRELOAD_COUNT_MAX } from './preload.ts';
import type { Tail } from './tail.ts';
import { UnreadEvents } from './unread-events.ts';

interface UnreadTailParts {
  readonly tail: Tail;
  /** The bound of the tail. The unread events count towards it. */
  readonly bytesMax: number;
  readonly hasReaders: () => boolean;
  /** Adds the events of a commit to the tail. */
  readonly onUnpacked: (records: readonly StoredRecord[]) => void;
  /** Events up to a position were dropped, and the tail with them. Nothing may rely on it now. */
  readonly onDropped: (through: Position) => void;
}

/**
 * The tail, and behind it the events that nobody has read. Who asks for the `tail` gets it with all
 * of them, so they are unpacked just then. What the interests know of new events is as old as the
 * tail, so ask for it first. A log of one hub has no unread events.
 */
export class UnreadTail {
  readonly #parts: UnreadTailParts;
  readonly #unread = new UnreadEvents();
  /** The users of the tail do not know yet that unread events were dropped. */
  #hasDropped = false;
  #isStarted = false;

  constructor(parts: UnreadTailParts) {
    this.#parts = parts;
  }

  /** The tail with all events. */
  get tail(): Tail {
    const { tail } = this.#parts;
    if (this.#unread.isEmpty || !this.#isStarted) return tail;
    if (this.#hasDropped) {
      this.#hasDropped = false;
      this.#parts.onDropped(tail.head);
    }
    for (const events of this.#unread.take()) this.#parts.onUnpacked(events.unpack());
    return tail;
  }

  /** The newest position. It unpacks nothing, and neither does `size`. */
  get head(): Position {
    return this.#isStarted && !this.#unread.isEmpty ? this.#unread.through : this.#parts.tail.head;
  }

  get size(): { readonly bytes: number; readonly count: number; readonly start: Position } {
    const { bytes, count, start } = this.#parts.tail;
    return { bytes: bytes + this.#unread.bytes, count: count + this.#unread.count, start };
  }

  /** Events that come before this call wait for it: it is the end of the preload. */
  start(): void {
    this.#isStarted = true;
    void this.tail;
  }

  /** While nobody reads, events stay packed, as many as a preload would read. */
  add(events: PackedEvents): void {
    const { tail, bytesMax, hasReaders } = this.#parts;
    if (events.through <= this.head) return;
    this.#unread.add(events);
    if (!this.#isStarted) return;
    if (hasReaders()) return void this.tail;
    const droppedThrough = this.#unread.dropBeyond(PRELOAD_COUNT_MAX, bytesMax / 2);
    if (droppedThrough === undefined) return tail.evictTo(bytesMax - this.#unread.bytes);
    tail.restart(droppedThrough);
    this.#hasDropped = true;
  }

  assertInvariants(): void {
    this.#parts.tail.assertInvariants();
    this.#unread.assertInvariants(this.#parts.tail.head);
  }
}
