/**
 * The pages of a table in a SQLite file, as https://www.sqlite.org/fileformat2.html describes them:
 * which bytes of a page SQLite uses. Numbers of sections are those of that document.
 *
 * Example: a page has 4,096 bytes and two rows of 100 bytes. It begins with a header of 8 bytes and
 * two pointers of two bytes. Then come 3,884 unused bytes, and the rows are at its end.
 */

/** A range of bytes in a page, without its end. */
export type Range = readonly [start: number, end: number];

/**
 * A row's payload that continues on overflow pages: the first of them,
 * and the bytes on all of them.
 */
export interface Overflow {
  readonly page: number;
  readonly bytes: number;
}

export interface LeafPage {
  readonly kind: 'leaf';
  /** The bytes that SQLite never reads. */
  readonly unused: readonly Range[];
  readonly overflows: readonly Overflow[];
}

export interface InteriorPage {
  readonly kind: 'interior';
  /**
   * In the order of keys. A child has the rows up to its key,
   * and after the key of the one before it.
   */
  readonly children: readonly { readonly page: number; readonly throughKey: number }[];
}

const INTERIOR_TABLE = 0x05;
const LEAF_TABLE = 0x0d;
const LEAF_HEADER_BYTES = 8;
const INTERIOR_HEADER_BYTES = 12;
/** A free block begins with the position of the next one and its own size. */
const FREE_BLOCK_HEADER_BYTES = 4;
const CELL_BYTES_MIN = 4;

/**
 * Parses a page of a table, except for page 1.
 * Undefined for a page that is damaged, or no page of a table: nobody may write there.
 * @param usable the page's size without its reserved bytes
 */
export function parseTablePage(page: Buffer, usable: number): LeafPage | InteriorPage | undefined {
  try {
    const type = page.readUInt8(0);
    if (type === LEAF_TABLE) return leafOf(page, usable);
    return type === INTERIOR_TABLE ? interiorOf(page) : undefined;
  } catch (error) {
    // A pointer leads out of the page.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function interiorOf(page: Buffer): InteriorPage {
  const children = cellsOf(page, INTERIOR_HEADER_BYTES).map((at) => {
    const [throughKey] = varint(page, at + 4);
    return { page: page.readUInt32BE(at), throughKey };
  });
  return { kind: 'interior', children: [...children, { page: page.readUInt32BE(8), throughKey: Infinity }] };
}

function leafOf(page: Buffer, usable: number): LeafPage | undefined {
  const cells = cellsOf(page, LEAF_HEADER_BYTES).map((at) => leafCell(page, at, usable));
  const used: Range[] = [[0, LEAF_HEADER_BYTES + 2 * cells.length], ...cells.map(({ range }) => range)];
  // A free block lies between rows, so the positions rise, and the list ends.
  for (let at = page.readUInt16BE(1), last = 0; at !== 0; last = at, at = page.readUInt16BE(at)) {
    if (at <= last) return undefined;
    used.push([at, at + FREE_BLOCK_HEADER_BYTES]);
  }
  used.sort(([left], [right]) => left - right);
  const unused: Range[] = [];
  let end = 0;
  for (const [start, next] of used) {
    if (start < end || next > usable) return undefined;
    if (start > end) unused.push([end, start]);
    end = next;
  }
  if (end < usable) unused.push([end, usable]);
  return { kind: 'leaf', unused, overflows: cells.flatMap(({ overflow }) => overflow ?? []) };
}

/** The positions of a page's cells. */
function cellsOf(page: Buffer, headerBytes: number): readonly number[] {
  return Array.from({ length: page.readUInt16BE(3) }, (_, index) => page.readUInt16BE(headerBytes + 2 * index));
}

/** Section 1.6: the size of the payload, the rowid, the payload's first part, the overflow page. */
function leafCell(page: Buffer, at: number, usable: number): { range: Range; overflow: Overflow | undefined } {
  const [bytes, afterSize] = varint(page, at);
  const [, start] = varint(page, afterSize);
  const localBytes = localBytesOf(bytes, usable);
  const end = start + localBytes;
  if (localBytes === bytes) return { range: [at, Math.max(end, at + CELL_BYTES_MIN)], overflow: undefined };
  return { range: [at, end + 4], overflow: { page: page.readUInt32BE(end), bytes: bytes - localBytes } };
}

/** The part of a payload that is on the leaf page itself. */
function localBytesOf(bytes: number, usable: number): number {
  const localMax = usable - 35;
  if (bytes <= localMax) return bytes;
  const localMin = Math.floor(((usable - 12) * 32) / 255) - 23;
  const fitting = localMin + ((bytes - localMin) % (usable - 4));
  return fitting <= localMax ? fitting : localMin;
}

/**
 * A number of one to nine bytes, and the position after it. Positions of the log are below 2^53.
 */
function varint(page: Buffer, at: number): readonly [value: number, end: number] {
  let value = 0;
  for (let index = at; index < at + 8; index++) {
    const byte = page.readUInt8(index);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return [value, index + 1];
  }
  return [value * 256 + page.readUInt8(at + 8), at + 9];
}
