import { closeSync, existsSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import type { ChangeBatch } from '../../../core/session-journal/change-batch.ts';
import { LineReader, subjectOfLine, timeOfLine, type ChangeLine } from '../../../core/session-journal/change-lines.ts';
import { ERASED_SUBJECT, LineSubjects, NOT_OPENED } from '../../../core/session-journal/line-subjects.ts';
import { PRIVATE_FILE_MODE } from '../private-files.ts';
import { CompleteSegment } from './complete-segment.ts';
import { readSubjects, readSummary, writeIndex } from './segment-index.ts';
import { indexFile, linesFile, removeSegment, writeAt } from './segment-files.ts';
import { HEADER_BYTES, SEGMENT_LINES, SegmentView, type Segment } from './segment.ts';

/** The first line of a segment's file, as JSON that spaces fill up. */
interface Header {
  readonly firstMs: number;
  readonly firstSession: number;
}

/** A state that a segment can return to. */
export type SegmentMark = Readonly<
  Pick<GrowingSegment, 'lines' | 'bytes' | 'lastSession' | 'sessions' | 'lastMs' | 'oldestSecond'>
>;

/**
 * The segment that takes the new lines. What its lines are found by is in memory. It also is in the
 * index while no hub runs, so that a start need not read the lines.
 */
export class GrowingSegment implements Segment {
  readonly id: number;
  readonly #folder: string;
  readonly #descriptor: number;
  readonly #subjects: LineSubjects;
  readonly firstSession: number;
  readonly firstMs: number;
  lines = 0;
  bytes = HEADER_BYTES;
  lastSession: number;
  sessions = 0;
  lastMs: number;
  oldestSecond = NOT_OPENED;
  /** Bytes that are added and not yet in the file. */
  #pending: Uint8Array[] = [];
  #writtenBytes = 0;

  private constructor(folder: string, id: number, descriptor: number, subjects: LineSubjects, header: Header) {
    this.#folder = folder;
    this.id = id;
    this.#descriptor = descriptor;
    this.#subjects = subjects;
    this.firstSession = header.firstSession;
    this.lastSession = header.firstSession - 1;
    this.firstMs = header.firstMs;
    this.lastMs = header.firstMs;
  }

  static create(folder: string, id: number, header: Header): GrowingSegment {
    const descriptor = openSync(linesFile(folder, id), 'w+', PRIVATE_FILE_MODE);
    const segment = new GrowingSegment(folder, id, descriptor, new LineSubjects(SEGMENT_LINES), header);
    segment.#pending.push(Buffer.from(JSON.stringify(header).padEnd(HEADER_BYTES - 1) + '\n', 'latin1'));
    return segment;
  }

  /**
   * Reads a segment again. A last line that a crash has cut off is removed.
   * `undefined`: the file is no segment.
   */
  static load(folder: string, id: number): GrowingSegment | undefined {
    const file = linesFile(folder, id);
    const text = readFileSync(file, 'latin1');
    const header = headerOf(text.slice(0, HEADER_BYTES));
    if (header === undefined) return undefined;
    const end = text.lastIndexOf('\n') + 1;
    const lines = text.slice(HEADER_BYTES, end).split('\n').slice(0, -1);
    const descriptor = openSync(file, 'r+');
    const subjects = new LineSubjects(Math.max(SEGMENT_LINES, lines.length));
    const segment = new GrowingSegment(folder, id, descriptor, subjects, header);
    ftruncateSync(descriptor, end);
    segment.#writtenBytes = end;
    const reader = new LineReader();
    for (const text of lines) segment.#loadLine(text, reader.next(text));
    return segment;
  }

  /**
   * Opens a segment by the index that was stored when its hub stopped. `undefined`: the index is
   * missing, or does not belong to the lines.
   */
  static open(folder: string, id: number): GrowingSegment | undefined {
    const summary = readSummary(indexFile(folder, id), linesFile(folder, id));
    if (summary === undefined) return undefined;
    const { lines, bytes, lastSession, sessions, lastMs, oldestSecond } = summary;
    const subjects = readSubjects(indexFile(folder, id), lines, SEGMENT_LINES);
    const segment = new GrowingSegment(folder, id, openSync(linesFile(folder, id), 'r+'), subjects, summary);
    Object.assign(segment, { lines, bytes, lastSession, sessions, lastMs, oldestSecond } satisfies SegmentMark);
    segment.#writtenBytes = bytes;
    return segment;
  }

  /** Adds a batch, which `flush` writes. */
  add(batch: ChangeBatch, nowMs: number): void {
    const { count, bytes } = batch;
    const { sessions, idHashes, seconds } = this.#subjects;
    this.#subjects.copy(batch.subjects, count, this.lines, this.bytes);
    for (let index = this.lines; index < this.lines + count; index++) {
      if (idHashes[index] !== 0) this.lastSession = sessions[index] as number;
      this.oldestSecond = Math.min(this.oldestSecond, seconds[index] as number);
    }
    this.lines += count;
    this.bytes += bytes.length;
    this.sessions += batch.openings;
    this.lastMs = Math.max(this.lastMs, nowMs);
    this.#pending.push(bytes);
  }

  /** Writes what was added, in one call. @throws when the disk does not accept it */
  flush(): void {
    if (this.#pending.length === 0) return;
    writeAt(this.#descriptor, this.#pending, this.#writtenBytes);
    this.#pending = [];
    this.#writtenBytes = this.bytes;
  }

  get mark(): SegmentMark {
    const { lines, bytes, lastSession, sessions, lastMs, oldestSecond } = this;
    return { lines, bytes, lastSession, sessions, lastMs, oldestSecond };
  }

  /** Removes what was added since, also from the file. */
  revert(mark: SegmentMark): void {
    Object.assign(this, mark);
    this.#pending = [];
    this.#writtenBytes = mark.bytes;
    ftruncateSync(this.#descriptor, mark.bytes);
  }

  /** Stores the index of the segment, which gets no more lines. */
  complete(): CompleteSegment {
    writeIndex(indexFile(this.#folder, this.id), this, this.#subjects, false);
    return new CompleteSegment(this.#folder, this.id, this);
  }

  /** Stores the index for the next start, and waits until the disk has it. */
  storeIndex(): void {
    writeIndex(indexFile(this.#folder, this.id), this, this.#subjects, true);
  }

  view(): SegmentView {
    const { sessions, userHashes, idHashes, seconds, ends } = this.#subjects;
    const columns = {
      sessions: sessions.subarray(0, this.lines),
      userHashes: userHashes.subarray(0, this.lines),
      idHashes: idHashes.subarray(0, this.lines),
      seconds: seconds.subarray(0, this.lines),
      ends: ends.subarray(0, this.lines),
    };
    return new SegmentView(
      columns,
      () => this.#descriptor,
      () => undefined,
    );
  }

  replaceSubjects(change: (subjects: LineSubjects) => void): void {
    change(this.#subjects);
    if (existsSync(indexFile(this.#folder, this.id))) this.storeIndex();
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  remove(): void {
    this.close();
    removeSegment(this.#folder, this.id);
  }

  /** @param line `undefined`: it was erased, or is damaged */
  #loadLine({ length }: string, line: ChangeLine | undefined): void {
    const subject = line === undefined ? ERASED_SUBJECT : subjectOfLine(line);
    this.#subjects.set(this.lines, subject);
    this.bytes += length + 1;
    this.#subjects.ends[this.lines] = this.bytes;
    this.lines++;
    if (line !== undefined) this.lastMs = Math.max(this.lastMs, timeOfLine(line));
    this.oldestSecond = Math.min(this.oldestSecond, subject.second);
    if (subject.idHash === 0) return;
    this.sessions++;
    this.lastSession = Math.max(this.lastSession, subject.session);
  }
}

function headerOf(line: string): Header | undefined {
  if (line.length < HEADER_BYTES || !line.endsWith('\n')) return undefined;
  try {
    const { firstMs, firstSession } = JSON.parse(line) as Partial<Header>;
    return Number.isSafeInteger(firstMs) && Number.isSafeInteger(firstSession)
      ? { firstMs: firstMs as number, firstSession: firstSession as number }
      : undefined;
  } catch {
    return undefined;
  }
}
