import type { AppendOutcome, NewRecord, Retain } from '../../core/ports.ts';
import { RecentNames } from './recent-names.ts';

/**
 * A batch for the writer is one buffer, which goes to its thread. Cloning ten thousand small
 * objects would cost more than writing them. The buffer has the number of records, then nine
 * numbers for each record, then the bytes of all of them. It may be a part of a larger one, from a
 * multiple of 8 on.
 */
export type RecordBatch = Uint8Array<ArrayBuffer>;

const NUMBERS_PER_RECORD = 9;
const RETAINS: readonly Retain[] = ['history', 'latest', 'none'];
const ABSENT = -1;
/** Of this thread. */
const RECENT_NAMES = new RecentNames();

export function encodeBatch(records: readonly NewRecord[]): ArrayBuffer {
  return encode(records).buffer as ArrayBuffer;
}

/** The same without the unused end of the buffer, which holds old memory: for other processes. */
export function encodeExactBatch(records: readonly NewRecord[]): Uint8Array {
  return encode(records);
}

/** Returns the used part of a buffer, from its beginning on. */
function encode(records: readonly NewRecord[]): Buffer {
  const numbersBytes = 8 + records.length * NUMBERS_PER_RECORD * 8;
  const size = records.reduce((sum, record) => sum + bytesMaxOf(record), numbersBytes);
  // Not from the pool: a transfer takes the whole ArrayBuffer.
  const bytes = Buffer.allocUnsafeSlow(size);
  const numbers = new Float64Array(bytes.buffer, 0, numbersBytes / 8);
  numbers[0] = records.length;
  let at = 1;
  let offset = numbersBytes;
  for (const { channel, type, timeMs, body, retain, idempotencyKey, fingerprint, ifLatest, trace } of records) {
    numbers[at] = timeMs;
    numbers[at + 1] = ifLatest ?? ABSENT;
    numbers[at + 2] = RETAINS.indexOf(retain);
    offset += numbers[at + 3] = bytes.write(channel, offset, 'latin1');
    offset += Math.max(0, (numbers[at + 4] = writeText(bytes, type, offset)));
    offset += Math.max(0, (numbers[at + 5] = writeText(bytes, idempotencyKey, offset)));
    offset += Math.max(0, (numbers[at + 6] = writeText(bytes, fingerprint, offset)));
    offset += Math.max(0, (numbers[at + 7] = writeText(bytes, trace, offset)));
    bytes.set(body, offset);
    offset += numbers[at + 8] = body.byteLength;
    at += NUMBERS_PER_RECORD;
  }
  return bytes.subarray(0, offset);
}

/**
 * Appends the records of a batch one by one.
 * @param appendOne returns the outcome of a record that it has not appended; with `isOnly`, the
 * batch has no other record
 * @returns these outcomes, each with the index of its record
 */
export function appendBatch(
  batch: RecordBatch,
  appendOne: (record: NewRecord, isOnly: boolean) => AppendOutcome | undefined,
): [index: number, outcome: AppendOutcome][] {
  const notAppended: [number, AppendOutcome][] = [];
  const isOnly = countOf(batch) === 1;
  let index = 0;
  for (const record of decodeBatch(batch)) {
    const outcome = appendOne(record, isOnly);
    if (outcome !== undefined) notAppended.push([index, outcome]);
    index++;
  }
  return notAppended;
}

/** Whether a batch has no record with an idempotency key or with `ifLatest`. */
export function isUnconditional(batch: RecordBatch): boolean {
  const numbers = numbersOf(batch);
  for (let at = 0; at < numbers.length; at += NUMBERS_PER_RECORD)
    if (numbers[at + 1] !== ABSENT || numbers[at + 5] !== ABSENT) return false;
  return true;
}

/** Yields the records of a batch. Bodies are views of its buffer. */
export function* decodeBatch(batch: RecordBatch): Generator<NewRecord, void> {
  const numbers = numbersOf(batch);
  const { buffer, byteOffset } = batch;
  const bytes = Buffer.from(buffer, byteOffset, batch.byteLength);
  let offset = 8 + numbers.byteLength;
  const readText = (length: number): string | undefined =>
    length < 0 ? undefined : bytes.toString('utf8', offset, (offset += length));
  for (let at = 0; at < numbers.length; at += NUMBERS_PER_RECORD) {
    const ifLatest = numbers[at + 1] as number;
    yield {
      timeMs: numbers[at] as number,
      ifLatest: ifLatest === ABSENT ? undefined : ifLatest,
      retain: RETAINS[numbers[at + 2] as number] as Retain,
      channel: RECENT_NAMES.read(bytes, offset, (offset += numbers[at + 3] as number)),
      type: readText(numbers[at + 4] as number),
      idempotencyKey: readText(numbers[at + 5] as number),
      fingerprint: readText(numbers[at + 6] as number),
      trace: readText(numbers[at + 7] as number),
      body: new Uint8Array(
        buffer,
        byteOffset + offset,
        ((offset += numbers[at + 8] as number), numbers[at + 8] as number),
      ),
    };
  }
}

/** The number of records of a batch. */
export function countOf({ buffer, byteOffset }: RecordBatch): number {
  return new Float64Array(buffer, byteOffset, 1)[0] as number;
}

function numbersOf(batch: RecordBatch): Float64Array {
  return new Float64Array(batch.buffer, batch.byteOffset + 8, countOf(batch) * NUMBERS_PER_RECORD);
}

function writeText(bytes: Buffer, text: string | undefined, offset: number): number {
  return text === undefined ? ABSENT : bytes.write(text, offset);
}

/** The bytes that a record takes of a batch at most. */
export function recordBytesMax(record: NewRecord): number {
  return NUMBERS_PER_RECORD * 8 + bytesMaxOf(record);
}

/** A UTF-16 unit becomes at most three bytes of UTF-8. Channels and trace contexts are ASCII. */
function bytesMaxOf({ channel, type, idempotencyKey, fingerprint, body, trace }: NewRecord): number {
  return (
    channel.length +
    body.byteLength +
    (trace?.length ?? 0) +
    ((type?.length ?? 0) + (idempotencyKey?.length ?? 0) + (fingerprint?.length ?? 0)) * 3
  );
}
