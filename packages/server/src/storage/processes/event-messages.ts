import type { StoredRecord } from '../../core/ports.ts';
import { decodePage, encodePage } from '../sqlite/log/page-codec.ts';

/**
 * The events of one commit, on their way to the followers. First are the lengths of the names and
 * of the numbers (4 bytes each). Then come the names as JSON, and the numbers and bodies of
 * `page-codec.ts`.
 */
export function encodeEvents(records: readonly StoredRecord[]): Buffer {
  const { names, numbers, bodies } = encodePage({ records, ...NO_BOUNDS });
  const nameBytes = Buffer.from(JSON.stringify(names));
  const head = Buffer.allocUnsafe(LENGTHS_BYTES);
  head.writeUInt32LE(nameBytes.length, 0);
  head.writeUInt32LE(numbers.byteLength, 4);
  return Buffer.concat([head, nameBytes, Buffer.from(numbers.buffer), Buffer.from(bodies)]);
}

/** Bodies are views of one buffer. A body in use holds all of them in memory. */
export function decodeEvents(bytes: Buffer): readonly StoredRecord[] {
  const numbersStart = LENGTHS_BYTES + bytes.readUInt32LE(0);
  const bodiesStart = numbersStart + bytes.readUInt32LE(4);
  const names = JSON.parse(bytes.toString('utf8', LENGTHS_BYTES, numbersStart)) as readonly string[];
  return decodePage({
    names,
    numbers: new Float64Array(copyOf(bytes.subarray(numbersStart, bodiesStart))),
    bodies: copyOf(bytes.subarray(bodiesStart)),
    ...NO_BOUNDS,
  }).records;
}

/** Of a page that was not read from the file. */
const NO_BOUNDS = { reached: 0, trimmedThrough: 0, erasedThrough: 0, corruptThrough: 0 };
const LENGTHS_BYTES = 8;

/** A buffer of its own: a view of a chunk of the socket has any alignment. */
export function copyOf(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
}
