import { matches, type PolycastEvent } from '@polycast/protocol';

/** Positions in the log of a simulated hub, as cursors whose text sorts in the same order. */
export function cursorOf(position: number): string {
  return `c${String(position).padStart(6, '0')}`;
}

export function positionOf(cursor: string): number {
  return Number(cursor.slice(1));
}

export function covers(patterns: readonly string[], event: PolycastEvent): boolean {
  return patterns.some((pattern) => matches(pattern, event.channel));
}
