import { encodeCursor, formatTime, type Gap, type GapReason } from '@polycast/protocol';
import type { Position, StoredRecord } from '../../core/ports.ts';
import type { LostPosition } from '../state/definition.ts';

/**
 * The event type of a gap. The gap replaces events that can no longer be delivered (PROTOCOL.md
 * section 14.3).
 *
 * Example: retention has deleted the events 4 to 9 of a log. The gap has the data
 * `{"from": <cursor 3>, "to": <cursor 9>, "reason": "retention"}`.
 */
export const GAP_TYPE = 'polycast.gap';

/**
 * A gap for events that this log has deleted or cannot read: of one channel, or of all that match.
 */
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

/** A gap for a consumer of a lost log. It is delivered before every event of the present log. */
export function createEpochGap(lost: LostPosition, epoch: string, after: Position, nowMs: number): StoredRecord {
  const gap: Gap = { from: encodeCursor(lost.epoch, lost.position), to: encodeCursor(epoch, after), reason: 'epoch' };
  return gapRecord(gap, after, nowMs);
}

/** Whether a record is a gap of the hub. An event that a publisher gave this type is none. */
export function isGap(record: StoredRecord): boolean {
  return gaps.has(record);
}

/** The gap that such a record has as its data; `undefined` for an event. */
export function gapOf(record: StoredRecord): Gap | undefined {
  return gaps.get(record);
}

function gapRecord(data: Gap, position: Position, nowMs: number, channel: string = GAP_TYPE): StoredRecord {
  const event = { channel, type: GAP_TYPE, time: formatTime(nowMs), data };
  const body = Buffer.from(JSON.stringify(event).slice(1));
  const record = { position, channel, type: GAP_TYPE, timeMs: nowMs, body };
  gaps.set(record, data);
  return record;
}

const gaps = new WeakMap<StoredRecord, Gap>();
