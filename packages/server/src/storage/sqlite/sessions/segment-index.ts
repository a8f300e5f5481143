import { closeSync, openSync, statSync } from 'node:fs';
import { LineSubjects } from '../../../core/session-journal/line-subjects.ts';
import { overwriteFile, readAt } from './segment-files.ts';
import type { SegmentColumns, SegmentSummary } from './segment.ts';

/**
 * The file with the subjects of a complete segment (`LineSubjects`). It begins with ten numbers of
 * 64 bits: `MAGIC`, `FORMAT` and the segment's summary. Its columns follow, one after the other. A
 * question reads the columns that it needs: of a million sessions, some 10 MB with their hashes.
 *
 * Numbers have the machine's byte order. An index of another machine is not known, and made anew.
 */
const MAGIC = 0x706c_736a;
const FORMAT = 1;
const HEADER_NUMBERS = 10;
const HEADER_BYTES = 8 * HEADER_NUMBERS;
/** Of a line in all columns: one number of 64 bits and four of 32. */
const LINE_BYTES = 24;

/** @param isDurable whether to wait for the disk. Without it an index is made again if needed. */
export function writeIndex(file: string, summary: SegmentSummary, subjects: LineSubjects, isDurable: boolean): void {
  const { lines, bytes, firstSession, lastSession, sessions, firstMs, lastMs, oldestSecond } = summary;
  const header = [MAGIC, FORMAT, lines, bytes, firstSession, lastSession, sessions, firstMs, lastMs, oldestSecond];
  const columns = [subjects.sessions, subjects.userHashes, subjects.idHashes, subjects.seconds, subjects.ends];
  const parts = [Float64Array.from(header), ...columns.map((column) => column.subarray(0, lines))];
  overwriteFile(
    file,
    parts.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
    isDurable,
  );
}

/** The summary of a segment. `undefined`: the index does not belong to these lines. */
export function readSummary(file: string, linesFile: string): SegmentSummary | undefined {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return undefined;
  const descriptor = openSync(file, 'r');
  let header: Float64Array;
  try {
    header = readAt(descriptor, new Float64Array(HEADER_NUMBERS), 0);
  } finally {
    closeSync(descriptor);
  }
  const [magic, format, lines = 0, bytes = 0, firstSession = 0, lastSession = 0, sessions = 0, ...times] = header;
  const isKnown = magic === MAGIC && format === FORMAT;
  if (!isKnown || statSync(linesFile).size !== bytes || statSync(file).size !== indexBytes(lines)) return undefined;
  const [firstMs = 0, lastMs = 0, oldestSecond = 0] = times;
  return { lines, bytes, firstSession, lastSession, sessions, firstMs, lastMs, oldestSecond };
}

export function indexBytes(lines: number): number {
  return HEADER_BYTES + LINE_BYTES * lines;
}

/** All subjects of an index. */
export function readSubjects(file: string, lines: number): LineSubjects {
  const columns = new StoredColumns(file, lines);
  try {
    const subjects = new LineSubjects(lines);
    subjects.sessions.set(columns.sessions);
    subjects.userHashes.set(columns.userHashes);
    subjects.idHashes.set(columns.idHashes);
    subjects.seconds.set(columns.seconds);
    subjects.ends.set(columns.ends);
    return subjects;
  } finally {
    columns.close();
  }
}

/** The columns of an index, of which each is read when it is first needed. */
export class StoredColumns implements SegmentColumns {
  readonly #descriptor: number;
  readonly #lines: number;
  #sessions: SegmentColumns['sessions'] | undefined;
  readonly #others: SegmentColumns['ends'][] = [];

  constructor(file: string, lines: number) {
    this.#descriptor = openSync(file, 'r');
    this.#lines = lines;
  }

  get sessions(): SegmentColumns['sessions'] {
    return (this.#sessions ??= readAt(this.#descriptor, new Float64Array(this.#lines), HEADER_BYTES));
  }

  get userHashes(): SegmentColumns['userHashes'] {
    return this.#column(0);
  }

  get idHashes(): SegmentColumns['idHashes'] {
    return this.#column(1);
  }

  get seconds(): SegmentColumns['seconds'] {
    return this.#column(2);
  }

  get ends(): SegmentColumns['ends'] {
    return this.#column(3);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** A column of 32 bits a line. */
  #column(index: number): SegmentColumns['ends'] {
    const position = HEADER_BYTES + this.#lines * (8 + 4 * index);
    return (this.#others[index] ??= readAt(this.#descriptor, new Uint32Array(this.#lines), position));
  }
}
