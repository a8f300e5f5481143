import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseTablePage } from './table-pages.ts';

const PAGE_BYTES = 4_096;

/** A leaf page with rows at its end, as SQLite writes it. */
function leafWith(rows: readonly Buffer[]): Buffer {
  const page = Buffer.alloc(PAGE_BYTES, 0xee);
  let end = PAGE_BYTES;
  page.writeUInt8(0x0d, 0);
  page.writeUInt16BE(0, 1);
  page.writeUInt16BE(rows.length, 3);
  rows.forEach((row, index) => {
    end -= row.length;
    row.copy(page, end);
    page.writeUInt16BE(end, 8 + 2 * index);
  });
  page.writeUInt16BE(end, 5);
  return page;
}

/** A row of up to 127 bytes: its size, its key, its bytes. */
function rowOf(key: number, bytes: number): Buffer {
  return Buffer.concat([Buffer.from([bytes, key]), Buffer.alloc(bytes, 'r')]);
}

test('the bytes between the pointers and the rows are unused', () => {
  const page = leafWith([rowOf(1, 100), rowOf(2, 50)]);
  expect(parseTablePage(page, PAGE_BYTES)).toEqual({
    kind: 'leaf',
    unused: [[12, PAGE_BYTES - 102 - 52]],
    overflows: [],
  });
});

test('a free block keeps its header, and a row that goes on elsewhere names its overflow page', () => {
  const long = Buffer.alloc(2 + 1 + 489 + 4, 'r');
  // 5,000 bytes: 908 of them do not fit on one overflow page, so they are on this one.
  Buffer.from([0x80 + (5_000 >> 7), 5_000 & 0x7f, 1]).copy(long);
  const local = 908;
  const row = Buffer.concat([long.subarray(0, 3), Buffer.alloc(local, 'r'), Buffer.from([0, 0, 0, 9])]);
  const page = leafWith([row, rowOf(2, 50), rowOf(3, 20)]);
  // The second row becomes a free block.
  const start = PAGE_BYTES - row.length;
  page.writeUInt16BE(2, 3);
  page.writeUInt16BE(start - 52 - 22, 10);
  page.writeUInt16BE(start - 52, 1);
  page.writeUInt16BE(0, start - 52);
  page.writeUInt16BE(52, start - 50);
  expect(parseTablePage(page, PAGE_BYTES)).toEqual({
    kind: 'leaf',
    unused: [
      [12, start - 52 - 22],
      [start - 48, start],
    ],
    overflows: [{ page: 9, bytes: 5_000 - local }],
  });
});

test('a damaged page has no unused bytes, or some within itself', () => {
  const page = leafWith(Array.from({ length: 20 }, (_, index) => rowOf(index, 40)));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(fc.nat(60), fc.nat(PAGE_BYTES - 1)), fc.nat(255)), { minLength: 1, maxLength: 20 }),
      (changes) => {
        const damaged = Buffer.from(page);
        for (const [at, byte] of changes) damaged.writeUInt8(byte, at);
        const parsed = parseTablePage(damaged, PAGE_BYTES);
        if (parsed?.kind !== 'leaf') return;
        let last = 0;
        for (const [start, end] of parsed.unused) {
          expect(start).toBeGreaterThanOrEqual(last);
          expect(end).toBeGreaterThan(start);
          last = end;
        }
        expect(last).toBeLessThanOrEqual(PAGE_BYTES);
      },
    ),
    { numRuns: 500 },
  );
});
