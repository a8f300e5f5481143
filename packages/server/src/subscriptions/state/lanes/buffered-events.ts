import type { StoredRecord } from '../../../core/ports.ts';
import { assertInvariant } from '../../../core/primitives/invariant.ts';

/** Counts the events that a tracker has in memory, and their bytes. */
export class BufferedEvents {
  count = 0;
  bytes = 0;

  add(record: StoredRecord): void {
    this.count++;
    this.bytes += record.body.length;
  }

  remove(record: StoredRecord | undefined): void {
    if (record === undefined) return;
    this.count--;
    this.bytes -= record.body.length;
    assertInvariant(this.count >= 0 && this.bytes >= 0, 'buffered events: only what was added is removed');
  }

  /** Visits every event in memory. */
  assertInvariants(lanes: Iterable<{ buffered(): Iterable<StoredRecord> }>): void {
    let [count, bytes] = [0, 0];
    for (const lane of lanes)
      for (const { body } of lane.buffered()) {
        count++;
        bytes += body.length;
      }
    assertInvariant(count === this.count && bytes === this.bytes, 'buffered events: they are counted, and their bytes');
  }
}
