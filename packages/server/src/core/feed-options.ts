import type { Wakeable } from './interests/interest.ts';
import type { StoredRecord } from './ports.ts';

export interface FeedOptions {
  readonly tailBytesMax: number;
  /** Bytes that one write to a consumer holds at most, but always one event. */
  readonly batchBytesMax: number;
  /** The same bound for the response to a poll. */
  readonly pollBytesMax: number;
  /** Concurrent reads of the log at most; the others wait in a queue. */
  readonly logReadsConcurrentMax: number;
  readonly isLatestOnly: (channel: string) => boolean;
  /** Whether the log stores all events of a channel until retention removes them. */
  readonly isStored: (channel: string) => boolean;
  /**
   * Called with the bytes of new bodies that the tail has copied, after their readers were woken.
   * Their own memory is garbage soon.
   */
  readonly onCopied?: (bytes: number) => void;
  /** Allocates memory for joined frames. */
  readonly allocate: (bytes: number) => Uint8Array;
  /** Memory that the interests with readers may take, in bytes. Equal interests count once. */
  readonly interestsBytesMax?: number;
  /** Called with new events after their readers were woken. A slow one receives them later. */
  readonly onDelivered: (records: readonly StoredRecord[]) => void;
}

/** Counters since the feed was created. */
export interface FeedStats {
  /** Pages that were read or counted in the log. */
  logReads: number;
  /** Searches of the tail. A batch from the cache needs none. */
  tailHits: number;
  /** Readers that new events have woken. */
  wakes: number;
}

/** A reader that has not caught up. Example: its client takes no bytes, or it reads the log. */
export interface ReaderBehind extends Wakeable {
  /** What it delivers to. */
  readonly sink: object;
}
