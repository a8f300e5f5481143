import type { Position, ReadPage, StoredRecord } from '../../../core/ports.ts';

/**
 * A page in transit from the reader's thread: each name once, six numbers for each record, and all
 * bodies in one buffer.
 */
export interface PackedPage {
  readonly reached: Position;
  readonly trimmedThrough: Position;
  readonly erasedThrough: Position;
  readonly corruptThrough: Position;
  /** The channels, types and trace contexts of the records. */
  readonly names: readonly string[];
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly bodies: ArrayBuffer;
}

const NUMBERS_PER_RECORD = 6;
const ABSENT = -1;

export function encodePage({ records, ...bounds }: ReadPage): PackedPage {
  const indexes = new Map<string, number>();
  const numbers = new Float64Array(records.length * NUMBERS_PER_RECORD);
  const bodies = Buffer.allocUnsafeSlow(records.reduce((sum, { body }) => sum + body.byteLength, 0));
  let at = 0;
  let offset = 0;
  for (const { position, channel, type, timeMs, body, trace } of records) {
    numbers[at] = position;
    numbers[at + 1] = indexOf(indexes, channel);
    numbers[at + 2] = type === undefined ? ABSENT : indexOf(indexes, type);
    numbers[at + 3] = timeMs;
    numbers[at + 4] = body.byteLength;
    numbers[at + 5] = trace === undefined ? ABSENT : indexOf(indexes, trace);
    bodies.set(body, offset);
    offset += body.byteLength;
    at += NUMBERS_PER_RECORD;
  }
  return {
    ...bounds,
    names: [...indexes.keys()],
    numbers,
    bodies: bodies.buffer as ArrayBuffer,
  };
}

/** Bodies are views of the page's buffer. A body in use holds the whole page in memory. */
export function decodePage({ names, numbers, bodies, ...bounds }: PackedPage): ReadPage {
  const records: StoredRecord[] = [];
  let offset = 0;
  for (let at = 0; at < numbers.length; at += NUMBERS_PER_RECORD) {
    const length = numbers[at + 4] as number;
    const type = numbers[at + 2] as number;
    const trace = numbers[at + 5] as number;
    records.push({
      position: numbers[at] as number,
      channel: names[numbers[at + 1] as number] as string,
      type: type === ABSENT ? undefined : names[type],
      timeMs: numbers[at + 3] as number,
      body: new Uint8Array(bodies, offset, length),
      trace: trace === ABSENT ? undefined : names[trace],
    });
    offset += length;
  }
  return { records, ...bounds };
}

function indexOf(indexes: Map<string, number>, name: string): number {
  const known = indexes.get(name);
  if (known !== undefined) return known;
  indexes.set(name, indexes.size);
  return indexes.size - 1;
}
