import { encodeCursor, formatTime, type Gap, type GapReason } from '@polycast/protocol';
import type { Position, StoredRecord } from '../../core/ports.ts';
import type { LostPosition } from '../state/definition.ts';
import { parseRecord } from './parse-record.ts';

/** The type of the event that stands for those that can no longer be delivered (PROTOCOL.md section 14.3). */
export const GAP_TYPE = 'polycast.gap';

/** What is handed out instead of events that this log has no more, or cannot read: of one channel, or of all that is meant. */
export function createLossGap(
  epoch: string,
  after: Position,
  through: Position,
  reason: GapReason,
  nowMs: number,
  channel?: string,
): StoredRecord {
  const gap: Gap = { from: encodeCursor(epoch, after), to: encodeCursor(epoch, through), reason };
  return gapRecord(gap, through, nowMs, channel);
}

/** What is handed out before all else to who stood in a log that is no more, and begins in another one after a place. */
export function createEpochGap(lost: LostPosition, epoch: string, after: Position, nowMs: number): StoredRecord {
  const gap: Gap = { from: encodeCursor(lost.epoch, lost.position), to: encodeCursor(epoch, after), reason: 'epoch' };
  return gapRecord(gap, after, nowMs);
}

/** Whether it is one of those; what a publisher calls so is none. */
export function isGap(record: StoredRecord): boolean {
  return gaps.has(record);
}

/** What is told by a record that stands for a gap. */
export function gapOf(record: StoredRecord): Gap {
  return (parseRecord(record) as { readonly data: Gap }).data;
}

function gapRecord(data: Gap, position: Position, nowMs: number, channel: string = GAP_TYPE): StoredRecord {
  const event = { channel, type: GAP_TYPE, time: formatTime(nowMs), data };
  const body = Buffer.from(JSON.stringify(event).slice(1));
  const record = { position, channel, type: GAP_TYPE, timeMs: nowMs, body };
  gaps.add(record);
  return record;
}

const gaps = new WeakSet<StoredRecord>();
