import {
  FULL_LINE_WITHIN,
  isAlikeLine,
  readLine,
  type ChangeLine,
} from '../../../core/session-journal/change-lines.ts';
import type { LineSubjects } from '../../../core/session-journal/line-subjects.ts';
import { readAt } from './segment-files.ts';

/** The lines of a segment, at most. */
export const SEGMENT_LINES = 16_384;
/** The first line of a segment's file has this length, with its line break. */
export const HEADER_BYTES = 64;

/**
 * A part of the journal: the lines of some thousand changes of sessions. Example: segment 3 has
 * 16,384 lines, in which the sessions 9,000 to 17,000 opened.
 */
export interface SegmentSummary {
  readonly lines: number;
  /** Of its file. */
  readonly bytes: number;
  /** The numbers of the sessions that opened in it are within these. */
  readonly firstSession: number;
  readonly lastSession: number;
  /** How many sessions opened in it. */
  readonly sessions: number;
  /** When its first and its last line were written. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** The oldest second of its subjects. */
  readonly oldestSecond: number;
}

/** The subjects of a segment, as far as a question reads them. */
export type SegmentColumns = Readonly<Pick<LineSubjects, 'sessions' | 'userHashes' | 'idHashes' | 'seconds' | 'ends'>>;

export interface Segment extends SegmentSummary {
  readonly id: number;
  /** Opens it for reading. */
  view(): SegmentView;
  /** Writes subjects where they were, and waits until they are on the disk, if they are there. */
  replaceSubjects(change: (subjects: LineSubjects) => void): void;
}

/** Reads the lines of a segment, and what they are found by. */
export class SegmentView implements Disposable {
  readonly columns: SegmentColumns;
  readonly #descriptor: () => number;
  readonly #close: () => void;

  /** @param descriptor of its lines */
  constructor(columns: SegmentColumns, descriptor: () => number, close: () => void) {
    this.columns = columns;
    this.#descriptor = descriptor;
    this.#close = close;
  }

  /** `undefined`: the line was erased, or is damaged. */
  line(index: number): ChangeLine | undefined {
    const text = this.#text(index, index + 1);
    if (!isAlikeLine(text)) return readLine([text], 0);
    const from = Math.max(0, index + 1 - FULL_LINE_WITHIN);
    return readLine(this.#text(from, index + 1).split('\n'), index - from);
  }

  /** Where a line starts in the file. */
  startOf(index: number): number {
    return index === 0 ? HEADER_BYTES : (this.columns.ends[index - 1] as number);
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  /** The lines before another one. */
  #text(from: number, before: number): string {
    const start = this.startOf(from);
    const bytes = Buffer.allocUnsafe(Math.max(0, this.startOf(before) - start));
    return readAt(this.#descriptor(), bytes, start).toString('latin1');
  }
}
