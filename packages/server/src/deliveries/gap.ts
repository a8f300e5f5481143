import { encodeCursor, formatTime } from '@polycast/protocol';
import type { Position, StoredRecord } from '../core/ports.ts';

/** The type of the event that stands for those that can no longer be delivered (PROTOCOL.md section 14.3). */
export const GAP_TYPE = 'polycast.gap';

/**
 * What is handed out instead of events that are lost: those after one position, up to and with another, of one channel or of all that is
 * meant.
 */
export function gapRecord(
  epoch: string,
  from: Position,
  through: Position,
  nowMs: number,
  channel: string = GAP_TYPE,
  reason: 'retention' | 'epoch' = 'retention',
): StoredRecord {
  const data = { from: encodeCursor(epoch, from), to: encodeCursor(epoch, through), reason };
  const event = { channel, type: GAP_TYPE, time: formatTime(nowMs), data };
  return {
    position: through,
    channel,
    type: GAP_TYPE,
    timeMs: nowMs,
    body: Buffer.from(JSON.stringify(event).slice(1)),
  };
}
