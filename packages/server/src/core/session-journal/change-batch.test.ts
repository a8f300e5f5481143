import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BATCH_LINES, ChangeBatch } from './change-batch.ts';
import { changeOfLine, LineReader, readLine, subjectOfLine, withoutLines, type ChangeLine } from './change-lines.ts';
import {
  END_REASONS,
  type JournalChange,
  type PositionRange,
  type SessionEnd,
  type SessionRecord,
} from './session-record.ts';

const RUN = { epoch: 'one', seenMs: 0, isOver: false };

function linesOf({ bytes }: ChangeBatch): string[] {
  return String.fromCharCode(...bytes)
    .split('\n')
    .slice(0, -1);
}

const position = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const text = fc.string({ unit: 'binary', maxLength: 20 });
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });
const ranges: fc.Arbitrary<readonly PositionRange[]> = fc.array(fc.tuple(position, position), { maxLength: 2 });
const end: fc.Arbitrary<SessionEnd> = fc.record({
  timeMs: position,
  position: maybe(position),
  reason: fc.constantFrom(...END_REASONS),
  polls: fc.constantFrom(0, 3),
  skipped: ranges,
  gaps: ranges,
});
const session: fc.Arbitrary<SessionRecord> = fc.record({
  number: position,
  id: text,
  transport: maybe(fc.constantFrom('sse', 'websocket')),
  kind: fc.constantFrom('user', 'anonymous'),
  user: maybe(text),
  key: maybe(fc.constant('Ab3dEf6hIj9l')),
  client: maybe(fc.constant('tab-1')),
  address: fc.constantFrom('203.0.113.7', ''),
  excludesOwn: fc.boolean(),
  channels: fc.array(text, { maxLength: 2 }),
  changes: fc.constant([]),
  types: maybe(fc.array(text, { maxLength: 2 })),
  epoch: fc.constant('one'),
  openedMs: position,
  openedAt: maybe(position),
  end: maybe(end),
});
const change: fc.Arbitrary<JournalChange> = fc.oneof(
  session.map((opened) => ({ kind: 'opened', session: opened }) as const),
  fc.record(
    {
      kind: fc.constant('changed' as const),
      session: position,
      change: fc.record({
        timeMs: position,
        position,
        channels: fc.array(text, { maxLength: 2 }),
        user: maybe(text),
      }),
      authenticatedSinceMs: position,
    },
    { requiredKeys: ['kind', 'session', 'change'] },
  ),
  fc.record({ kind: fc.constant('ended' as const), session: position, user: maybe(text), end }),
);

test('a batch has lines of ASCII that give the same changes, and knows what each is found by', () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: BATCH_LINES }), (changes) => {
      const batch = new ChangeBatch();
      for (const each of changes) batch.add(each);
      const lines = linesOf(batch);
      expect(batch.count).toBe(changes.length);
      expect(lines).toHaveLength(changes.length);
      expect(lines.every((line) => /^[ -~]+$/.test(line))).toBe(true);
      expect(lines.map((_, index) => changeOfLine(lines, index, RUN))).toEqual(changes);
      expect(batch.changes(RUN)).toEqual(changes);
      expect(lines.map((_, index) => batch.subjects.at(index))).toEqual(
        lines.map((_, index) => subjectOfLine(readLine(lines, index) as ChangeLine)),
      );
    }),
  );
});

const [template] = fc.sample(session, { numRuns: 1, seed: 1 }) as [SessionRecord];
/** Most of these openings differ in little. */
const crowd: fc.Arbitrary<JournalChange> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ number: position, id: text, openedMs: fc.nat({ max: 1000 }), address: fc.constantFrom('a', 'b') })
      .map((own) => ({ kind: 'opened', session: { ...template, end: undefined, ...own } }) as const),
  },
  change,
);

test('lines that are read one after the other say what each says alone, also after damage and erasures', () => {
  const some = fc.uniqueArray(fc.nat({ max: 39 }), { maxLength: 10 });
  fc.assert(
    fc.property(fc.array(crowd, { minLength: 1, maxLength: 40 }), some, some, (changes, erased, damaged) => {
      const batch = new ChangeBatch();
      for (const each of changes) batch.add(each);
      const lines = withoutLines(linesOf(batch), new Set(erased)).map((line, index) =>
        damaged.includes(index) ? line.replace('[', '?') : line,
      );
      const reader = new LineReader();
      expect(lines.map((line) => reader.next(line))).toEqual(lines.map((_, index) => readLine(lines, index)));
    }),
  );
});

test('sessions that differ in little have short lines, and a cleared batch begins with a full one', () => {
  const batch = new ChangeBatch();
  const [one] = fc.sample(session, { numRuns: 1, seed: 1 }) as [SessionRecord];
  const opened = (number: number): JournalChange => ({
    kind: 'opened',
    session: { ...one, end: undefined, number, openedMs: 100 + number },
  });
  for (const number of [1, 2]) batch.add(opened(number));
  expect(linesOf(batch).map((line) => line[1])).toEqual(['0', '3']);
  expect(batch.clear()).toBe(true);
  expect(batch.count).toBe(0);
  batch.add(opened(3));
  expect(changeOfLine(linesOf(batch), 0, RUN)).toEqual(opened(3));
});

test('an opening whose full line is damaged does not get the members of another one', () => {
  const batch = new ChangeBatch();
  const [one, other] = fc.sample(session, { numRuns: 2, seed: 3 }) as [SessionRecord, SessionRecord];
  const opened = (record: SessionRecord, number: number): JournalChange => ({
    kind: 'opened',
    session: { ...record, end: undefined, number, openedMs: number },
  });
  for (const each of [opened(one, 1), opened(one, 2), opened(other, 3), opened(other, 4)]) batch.add(each);
  const lines = linesOf(batch);
  expect(lines.map((line) => line[1])).toEqual(['0', '3', '0', '3']);
  const read = (damaged: string): readonly (number | undefined)[] =>
    lines.map((_, index) => (changeOfLine(lines.with(2, damaged), index, RUN)?.kind === 'opened' ? index : undefined));
  expect(read(lines[2] as string)).toEqual([0, 1, 2, 3]);
  for (const damaged of ['', '[0,3', 'x'.repeat(40), `[9,${'0'.repeat(30)}]`])
    expect(read(damaged)).toEqual([0, 1, undefined, undefined]);
});
