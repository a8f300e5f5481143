import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs';
import type { WriterConnection } from './writer-connection.ts';
import { parseTablePage, type LeafPage, type Overflow, type Range } from './table-pages.ts';

/** Pages that one step reads: 1 MB. */
const PAGES_PER_STEP = 256;
/** The tables with data, or names, of events. */
const TABLES = ['event', 'channel'] as const;
/** A table of 2^64 rows has fewer levels. */
const LEVELS_MAX = 20;
/** Bytes of an overflow page before its data: the number of the next one. */
const OVERFLOW_HEADER_BYTES = 4;

/** Rows of a table up to a key have been examined. */
interface Place {
  readonly table: number;
  readonly afterKey: number;
}

const BEGIN: Place = { table: 0, afterKey: -Infinity };

/**
 * Overwrites the unused bytes of pages in use. When SQLite moves rows from one page to another, it
 * leaves copies there. They are in bytes that it never reads, so they are overwritten in the file
 * itself, page by page in the order of keys.
 *
 * A step runs directly after the write-ahead log was emptied, in the thread of the only writer. So
 * the file has the newest version of each page, and nobody else writes. A crash leaves zeros in
 * bytes that nobody reads. Rows that SQLite moves between two steps are no erased ones.
 */
export class UnusedBytes {
  readonly #file: string;
  /**
   * Open until the connections to the file are closed: to close it earlier would drop their locks,
   * which belong to the process.
   */
  #descriptor: number | undefined;
  #place: Place = BEGIN;
  #pageBytes = 0;
  #usable = 0;
  #pages = 0;

  /** @param file the database */
  constructor(file: string) {
    this.#file = file;
  }

  /** Rows were erased since: all pages are examined again. */
  reset(): void {
    this.#place = BEGIN;
  }

  /** One step. The write-ahead log must be empty. Returns whether there is more. */
  step(connection: WriterConnection): boolean {
    this.#descriptor ??= openSync(this.#file, 'r+');
    const header = this.#read(0, 100);
    const pageBytes = header.readUInt16BE(16);
    this.#pageBytes = pageBytes === 1 ? 65_536 : pageBytes;
    this.#usable = this.#pageBytes - header.readUInt8(20);
    this.#pages = 0;
    let written = 0;
    const roots = rootsOf(connection);
    while (this.#pages < PAGES_PER_STEP) {
      const { table, afterKey } = this.#place;
      const root = roots[table];
      if (root === undefined) break;
      const leaf = this.#leafAfter(root, afterKey);
      written += this.#overwriteLeaf(leaf);
      const isLast = leaf.throughKey === Infinity;
      this.#place = isLast ? { table: table + 1, afterKey: -Infinity } : { table, afterKey: leaf.throughKey };
    }
    if (written > 0) {
      fdatasyncSync(this.#descriptor);
      // The connection would write the bytes again, together with its next change of a page.
      connection.dropPages();
    }
    return this.#place.table < roots.length;
  }

  /** Call it after the connections. */
  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** The leaf page with the rows after a key. */
  #leafAfter(root: number, afterKey: number): Leaf {
    let number = root;
    let throughKey = Infinity;
    for (let level = 0; level < LEVELS_MAX; level++) {
      this.#pages++;
      const bytes = this.#read(this.#startOf(number), this.#pageBytes);
      const page = parseTablePage(bytes, this.#usable);
      if (page === undefined || page.kind === 'leaf') return { number, bytes, page, throughKey };
      const child = page.children.find((each) => each.throughKey > afterKey);
      if (child === undefined) break;
      number = child.page;
      throughKey = Math.min(throughKey, child.throughKey);
    }
    return { number, bytes: NOTHING, page: undefined, throughKey };
  }

  /** Returns the number of ranges that had other bytes than zeros. */
  #overwriteLeaf({ number, bytes, page }: Leaf): number {
    if (page === undefined) return 0;
    let written = 0;
    for (const range of page.unused) written += this.#overwrite(number, bytes, range);
    for (const overflow of page.overflows) written += this.#overwriteEndOf(overflow);
    return written;
  }

  /** The last overflow page of a row has what it had before, in the bytes after the row. */
  #overwriteEndOf({ page, bytes }: Overflow): number {
    const bytesPerPage = this.#usable - OVERFLOW_HEADER_BYTES;
    let number = page;
    let left = bytes;
    for (; left > bytesPerPage; left -= bytesPerPage) {
      this.#pages++;
      const next = this.#read(this.#startOf(number), OVERFLOW_HEADER_BYTES);
      if (next.length < OVERFLOW_HEADER_BYTES) return 0;
      number = next.readUInt32BE();
    }
    this.#pages++;
    const last = this.#read(this.#startOf(number), this.#pageBytes);
    // The last page of a row names no next one. Another page is a sign of damage.
    if (last.length < this.#pageBytes || last.readUInt32BE() !== 0) return 0;
    return this.#overwrite(number, last, [OVERFLOW_HEADER_BYTES + left, this.#usable]);
  }

  #overwrite(number: number, page: Buffer, [start, end]: Range): number {
    if (page.subarray(start, end).equals(ZEROS.subarray(0, end - start))) return 0;
    writeSync(this.#descriptor as number, ZEROS, 0, end - start, this.#startOf(number) + start);
    return 1;
  }

  #startOf(page: number): number {
    return (page - 1) * this.#pageBytes;
  }

  /** Fewer bytes at the end of the file, and none at a page that does not exist. */
  #read(at: number, length: number): Buffer {
    if (at < 0) return NOTHING;
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(this.#descriptor as number, bytes, 0, length, at));
  }
}

/** A leaf page, and the last key that it may have. */
interface Leaf {
  readonly number: number;
  readonly bytes: Buffer;
  /** Undefined for a damaged page, which stays as it is. */
  readonly page: LeafPage | undefined;
  readonly throughKey: number;
}

const NOTHING = Buffer.alloc(0);
const ZEROS = Buffer.alloc(65_536);

/** The first page of each table. */
function rootsOf({ database }: WriterConnection): readonly number[] {
  const statement = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?');
  return TABLES.map((table) => (statement.get(table) as { rootpage: number }).rootpage);
}
