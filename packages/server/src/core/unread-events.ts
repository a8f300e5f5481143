import type { PackedEvents, Position, StoredRecord } from './ports.ts';
import { assertInvariant, assertSorted } from './primitives/invariant.ts';

/** Records that exist already, as `PackedEvents`. There is at least one. */
export function packedRecords(records: readonly StoredRecord[]): PackedEvents {
  return {
    through: records.at(-1)?.position ?? 0,
    count: records.length,
    bytes: records.reduce((sum, { body }) => sum + body.byteLength, 0),
    unpack: () => records,
    discard: () => undefined,
  };
}

/**
 * Events that nobody has read, still packed, the oldest first. Example: a hub of a cluster has no
 * reader for an hour, and its log has passed on a million events. It holds the newest 20,000. The
 * next poll unpacks these, and the others are in the log.
 */
export class UnreadEvents {
  #commits: PackedEvents[] = [];
  #count = 0;
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#commits.length === 0;
  }

  /** At most. */
  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The newest position. Only where there are unread events. */
  get through(): Position {
    return (this.#commits.at(-1) as PackedEvents).through;
  }

  add(commit: PackedEvents): void {
    this.#commits.push(commit);
    this.#count += commit.count;
    this.#bytes += commit.bytes;
  }

  /**
   * Drops the oldest events beyond these bounds, but not the newest commit.
   * @returns the newest dropped position; `undefined` if none was dropped
   */
  dropBeyond(countMax: number, bytesMax: number): Position | undefined {
    let through: Position | undefined;
    while ((this.#count > countMax || this.#bytes > bytesMax) && this.#commits.length > 1) {
      const commit = this.#commits.shift() as PackedEvents;
      this.#count -= commit.count;
      this.#bytes -= commit.bytes;
      ({ through } = commit);
      commit.discard();
    }
    return through;
  }

  /** Takes all commits, the oldest first. */
  take(): readonly PackedEvents[] {
    const commits = this.#commits;
    this.#commits = [];
    this.#count = this.#bytes = 0;
    return commits;
  }

  /** @param head the position before the first event */
  assertInvariants(head: Position): void {
    const sum = this.#commits.reduce((total, { count }) => total + count, 0);
    assertInvariant(sum === this.#count, 'unread events: the count is the sum over all commits');
    assertSorted([head, ...this.#commits.map(({ through }) => through)], 'unread events: commits are in order');
  }
}
