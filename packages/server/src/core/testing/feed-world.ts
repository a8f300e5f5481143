import type { Framing } from '@polycast/protocol';
import type { Batch } from '../events/batch.ts';
import { Feed } from '../feed.ts';
import type { FeedOptions } from '../feed-options.ts';
import type { Log, NewRecord, PackedEvents, Position, ReadPage, ReadQuery, Retain, SharedLog } from '../ports.ts';
import type { Sink } from '../reader.ts';
import { packedRecords } from '../unread-events.ts';

/** Bytes of a frame in `positionFraming` besides its body. */
const HEADER_BYTES = 12;

/**
 * Frames an event as its position, the length of its body, and its body, so that tests can read it
 * back.
 */
export const positionFraming: Framing = {
  name: 'sse',
  size: (bodyBytes) => HEADER_BYTES + bodyBytes,
  write(out, offset, _epoch, position, body) {
    const view = new DataView(out.buffer, out.byteOffset + offset);
    view.setFloat64(0, position);
    view.setUint32(8, body.length);
    out.set(body, offset + HEADER_BYTES);
    return offset + HEADER_BYTES + body.length;
  },
  jsonOffset: (_bytes, offset) => offset + HEADER_BYTES,
  frameEnd(bytes, offset) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return offset + HEADER_BYTES + view.getUint32(offset + 8);
  },
};

/** The positions of a batch's events. */
export function positionsOf({ bytes }: Batch): Position[] {
  const positions: Position[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += HEADER_BYTES + view.getUint32(at + 8)) positions.push(view.getFloat64(at));
  return positions;
}

/** A sink that records its batches, and that takes no bytes while it is blocked. */
export class RecordingSink implements Sink {
  readonly batches: Batch[] = [];
  readonly gaps: { readonly from: Position; readonly through: Position }[] = [];
  readonly positions: Position[] = [];
  isBlocked = false;
  caughtUpCount = 0;
  failure: Error | undefined;

  deliver(batch: Batch, includeGap: boolean): boolean {
    this.batches.push(batch);
    if (includeGap) this.gaps.push({ from: batch.from, through: batch.gapThrough });
    this.positions.push(...positionsOf(batch));
    return !this.isBlocked;
  }

  onCaughtUp(): void {
    this.caughtUpCount++;
  }

  onFailed(error: Error): void {
    this.failure = error;
  }
}

type PackedListener = (events: PackedEvents) => void;

/** Events that were discarded cannot be unpacked. */
function followPacked(log: Log, listener: PackedListener, onUnpacked: () => void): void {
  log.follow((records) => {
    let isDiscarded = false;
    listener({
      ...packedRecords(records),
      unpack() {
        if (isDiscarded) throw new Error('the events were discarded');
        onUnpacked();
        return records;
      },
      discard: () => void (isDiscarded = true),
    });
  });
}

/** A log with reads that a test can hold back. */
export class GatedLog implements Log {
  readonly #log: Log;
  readonly #held: (() => void)[] = [];
  readonly queries: ReadQuery[] = [];
  isHolding = false;
  runningMax = 0;
  #running = 0;

  /** It passes packed events on, as a log does that several hubs share. */
  readonly shared?: SharedLog;
  /** Commits that were unpacked. */
  unpacked = 0;

  constructor(log: Log, isShared = false) {
    this.#log = log;
    if (isShared)
      this.shared = {
        followPacked: (listener: PackedListener) => followPacked(log, listener, () => this.unpacked++),
      } as unknown as SharedLog;
  }

  get state(): Log['state'] {
    return this.#log.state;
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    this.queries.push(query);
    this.runningMax = Math.max(this.runningMax, ++this.#running);
    const page = await this.#log.read(query);
    if (this.isHolding) await new Promise<void>((go) => this.#held.push(go));
    this.#running--;
    return page;
  }

  count(query: Parameters<Log['count']>[0]): ReturnType<Log['count']> {
    return this.#log.count(query);
  }

  /** Releases the reads that are held back, and all later ones. */
  release(): void {
    this.isHolding = false;
    for (const go of this.#held.splice(0)) go();
  }

  append(records: readonly NewRecord[]): ReturnType<Log['append']> {
    return this.#log.append(records);
  }

  follow(listener: Parameters<Log['follow']>[0]): void {
    this.#log.follow(listener);
  }

  channels(query: Parameters<Log['channels']>[0]): ReturnType<Log['channels']> {
    return this.#log.channels(query);
  }

  trim(...order: Parameters<Log['trim']>): ReturnType<Log['trim']> {
    return this.#log.trim(...order);
  }

  get erasing(): Log['erasing'] {
    return this.#log.erasing;
  }

  stats(): ReturnType<Log['stats']> {
    return this.#log.stats();
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

export interface FeedWorld {
  readonly log: GatedLog;
  readonly feed: Feed;
  /** The number of allocations for joined frames, apart from empty ones. */
  allocations: number;
}

export function createFeedWorld(log: Log, options: Partial<FeedOptions> = {}, isShared = false): FeedWorld {
  const gated = new GatedLog(log, isShared);
  const feed = new Feed(gated, {
    tailBytesMax: 1e6,
    batchBytesMax: 1e5,
    pollBytesMax: 1e5,
    logReadsConcurrentMax: 2,
    isLatestOnly: (channel) => channel.startsWith('latest'),
    isStored: (channel) => !channel.startsWith('latest'),
    allocate: (bytes) => {
      if (bytes > 0) world.allocations++;
      return new Uint8Array(bytes);
    },
    onDelivered: () => undefined,
    ...options,
  });
  const world: FeedWorld = { log: gated, feed, allocations: 0 };
  return world;
}

/** An event. The first token of its channel determines its retention. */
export function event(channel: string, type?: string, bodyBytes = 10): NewRecord {
  return {
    channel,
    type,
    timeMs: 1_800_000_000_000,
    body: new Uint8Array(bodyBytes),
    retain: retainOf(channel),
    idempotencyKey: undefined,
    fingerprint: undefined,
    ifLatest: undefined,
  };
}

export function retainOf(channel: string): Retain {
  if (channel.startsWith('latest')) return 'latest';
  return channel.startsWith('none') ? 'none' : 'history';
}

/** Publishes events one after the other, each with its own commit. Returns their positions. */
export async function publish(log: Log, ...channels: readonly string[]): Promise<Position[]> {
  const positions: Position[] = [];
  for (const channel of channels) {
    const [outcome] = await log.append([event(channel)]);
    if (outcome?.kind === 'appended') positions.push(outcome.position);
  }
  return positions;
}

/** Waits until all pending work is done: the memory log needs promises only. */
export async function drainMicrotasks(): Promise<void> {
  for (let turn = 0; turn < 500; turn++) await Promise.resolve();
}
