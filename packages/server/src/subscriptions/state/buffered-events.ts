import type { StoredRecord } from '../../core/ports.ts';

/** Events that a progress has in memory. */
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
  }
}
