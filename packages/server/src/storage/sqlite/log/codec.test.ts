import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NewRecord, StoredRecord } from '../../../core/ports.ts';
import { decodeBatch, encodeBatch } from '../../shared/batch-codec.ts';
import { decodePage, encodePage } from './page-codec.ts';

const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });
const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const channel = fc.stringMatching(/^[A-Za-z0-9_-]{1,9}(\.[A-Za-z0-9_-]{1,9}){0,3}$/);
const position = fc.maxSafeNat();

const newRecord: fc.Arbitrary<NewRecord> = fc.record({
  channel,
  type: optional(text),
  timeMs: position,
  body: fc.uint8Array({ maxLength: 200 }),
  retain: fc.constantFrom('history', 'latest', 'none'),
  idempotencyKey: optional(text),
  fingerprint: optional(text),
  ifLatest: optional(position),
});

const storedRecord: fc.Arbitrary<StoredRecord> = fc.record({
  position,
  channel,
  type: optional(text),
  timeMs: position,
  body: fc.uint8Array({ maxLength: 200 }),
});

test('a batch is read as it was written', () => {
  fc.assert(
    fc.property(fc.array(newRecord), (records) => {
      expect([...decodeBatch(new Uint8Array(encodeBatch(records)))]).toEqual(records);
    }),
  );
});

test('a page is read as it was written', () => {
  fc.assert(
    fc.property(
      fc.array(storedRecord),
      position,
      position,
      position,
      (records, reached, trimmedThrough, erasedThrough) => {
        const page = { records, reached, trimmedThrough, erasedThrough, corruptThrough: reached };
        expect(decodePage(encodePage(page))).toEqual(page);
      },
    ),
  );
});
