import { formatTime, type Gap } from '@polycast/protocol';
import type { Position, StoredRecord } from '../core/ports.ts';
import { jsonOf } from './record-json.ts';

/** The type of the event that stands for those that can no longer be delivered (PROTOCOL.md section 14.3). */
export const GAP_TYPE = 'polycast.gap';

/** What is handed out instead of events that are lost: of one channel, or of all that is meant. */
export function gapRecord(places: Gap, position: Position, nowMs: number, channel: string = GAP_TYPE): StoredRecord {
  const event = { channel, type: GAP_TYPE, time: formatTime(nowMs), data: places };
  const body = Buffer.from(JSON.stringify(event).slice(1));
  const record = { position, channel, type: GAP_TYPE, timeMs: nowMs, body };
  gaps.add(record);
  return record;
}

/** Whether it is one of those; what a publisher calls so is none. */
export function isGap(record: StoredRecord): boolean {
  return gaps.has(record);
}

/** What is told by a record that stands for a gap. */
export function gapOf(record: StoredRecord): Gap {
  return (jsonOf(record) as { readonly data: Gap }).data;
}

const gaps = new WeakSet<StoredRecord>();
