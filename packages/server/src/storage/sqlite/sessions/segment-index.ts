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

/** All subjects of an index. @param linesMax how many the result has room for */
export function readSubjects(file: string, lines: number, linesMax = lines): LineSubjects {
  const columns = new StoredColumns(file, lines);
  try {
    const subjects = new LineSubjects(Math.max(lines, linesMax));
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

/**
 * The columns of an index, of which each is read when it is first needed. They are valid until
 * another index is opened: all use the same memory, so that a search through a large journal leaves
 * no garbage.
 */
export class StoredColumns implements SegmentColumns {
  readonly #descriptor: number;
  readonly #lines: number;
  readonly #isRead: boolean[] = [];

  constructor(file: string, lines: number) {
    this.#descriptor = openSync(file, 'r');
    this.#lines = lines;
    if (lines > read.ends.length) read = new LineSubjects(lines);
  }

  get sessions(): SegmentColumns['sessions'] {
    return this.#column(read.sessions.subarray(0, this.#lines), 0);
  }

  get userHashes(): SegmentColumns['userHashes'] {
    return this.#column(read.userHashes.subarray(0, this.#lines), 1);
  }

  get idHashes(): SegmentColumns['idHashes'] {
    return this.#column(read.idHashes.subarray(0, this.#lines), 2);
  }

  get seconds(): SegmentColumns['seconds'] {
    return this.#column(read.seconds.subarray(0, this.#lines), 3);
  }

  get ends(): SegmentColumns['ends'] {
    return this.#column(read.ends.subarray(0, this.#lines), 4);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** @param index its place among the columns, of which the first has 64 bits a line */
  #column<Column extends Float64Array | Uint32Array>(column: Column, index: number): Column {
    if (this.#isRead[index] === true) return column;
    this.#isRead[index] = true;
    const bytesBefore = index === 0 ? 0 : this.#lines * (4 + 4 * index);
    return readAt(this.#descriptor, column, HEADER_BYTES + bytesBefore);
  }
}

/** The columns that were read last. */
let read = new LineSubjects(0);
