import type { Position } from '../../../../core/ports.ts';
import { isCorruption } from '../corruption.ts';
import type { WriterStatements } from './writer-statements.ts';

/** `timeMs` and `bytes` are `null` when the event cannot be read. */
export type OldestEventRow = readonly [position: Position, timeMs: number | null, bytes: number | null];

/**
 * The oldest events of a channel, from its index, readable or not. Retention removes damaged events
 * like others.
 */
export function oldestEvents(statements: WriterStatements, channel: number, limit: number): readonly OldestEventRow[] {
  try {
    return statements.oldestEvents.all(channel, limit) as unknown as OldestEventRow[];
  } catch (error) {
    if (!isCorruption(error)) throw error;
  }
  const positions = statements.oldestPositions.all(channel, limit) as unknown as [Position][];
  return positions.map(([position]) => {
    const [timeMs, bytes] = timeAndBytes(statements, position) ?? [null, null];
    return [position, timeMs, bytes] as const;
  });
}

/**
 * Deletes an event. SQLite cannot delete from a damaged page: the event stays there, and no read of
 * its channel finds it.
 */
export function deleteEvent(statements: WriterStatements, position: Position): void {
  try {
    statements.deleteEvent.run(position);
  } catch (error) {
    if (!isCorruption(error)) throw error;
  }
}

function timeAndBytes(statements: WriterStatements, position: Position): [number, number] | undefined {
  try {
    return statements.timeAndBytes.get(position) as unknown as [number, number] | undefined;
  } catch (error) {
    if (!isCorruption(error)) throw error;
    return undefined;
  }
}
