import { closeSync, openSync } from 'node:fs';
import type { LineSubjects } from '../../../core/session-journal/line-subjects.ts';
import { indexFile, linesFile, removeSegment } from './segment-files.ts';
import { readSubjects, readSummary, StoredColumns, writeIndex } from './segment-index.ts';
import { SegmentView, type Segment, type SegmentSummary } from './segment.ts';

/** A segment that gets no more lines. Its subjects are in a file beside its lines. */
export class CompleteSegment implements Segment {
  readonly id: number;
  readonly #folder: string;
  readonly lines: number;
  readonly bytes: number;
  readonly firstSession: number;
  readonly lastSession: number;
  readonly sessions: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly oldestSecond: number;

  constructor(folder: string, id: number, summary: SegmentSummary) {
    this.#folder = folder;
    this.id = id;
    this.lines = summary.lines;
    this.bytes = summary.bytes;
    this.firstSession = summary.firstSession;
    this.lastSession = summary.lastSession;
    this.sessions = summary.sessions;
    this.firstMs = summary.firstMs;
    this.lastMs = summary.lastMs;
    this.oldestSecond = summary.oldestSecond;
  }

  /** `undefined`: its index is missing, or does not belong to its lines. */
  static open(folder: string, id: number): CompleteSegment | undefined {
    const summary = readSummary(indexFile(folder, id), linesFile(folder, id));
    return summary && new CompleteSegment(folder, id, summary);
  }

  view(): SegmentView {
    const columns = new StoredColumns(indexFile(this.#folder, this.id), this.lines);
    // Most questions need no line of most segments.
    let lines: number | undefined;
    const openLines = (): number => (lines ??= openSync(linesFile(this.#folder, this.id), 'r'));
    return new SegmentView(columns, openLines, () => {
      columns.close();
      if (lines !== undefined) closeSync(lines);
    });
  }

  replaceSubjects(change: (subjects: LineSubjects) => void): void {
    const file = indexFile(this.#folder, this.id);
    const subjects = readSubjects(file, this.lines);
    change(subjects);
    writeIndex(file, this, subjects, true);
  }

  remove(): void {
    removeSegment(this.#folder, this.id);
  }
}
