import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changeOfLine } from '../core/session-journal/change-lines.ts';
import type { JournalChange, SessionEnd } from '../core/session-journal/session-record.ts';
import { NEWEST_MAX, NewestChanges, UNLIKE_MAX, type DescribedSession } from './newest-changes.ts';
import { WaitingChanges } from './waiting-changes.ts';

const ANONYMOUS = { kind: 'anonymous' } as DescribedSession['principal'];
const ANN = { kind: 'user', user: 'ann' } as DescribedSession['principal'];
const BEN = { kind: 'user', user: 'b"en' } as DescribedSession['principal'];
const KEYED = { kind: 'user', user: 'ann', key: 'Ab3dEf6hIj9l' } as DescribedSession['principal'];
const interestIn = (patterns: readonly string[]): DescribedSession['interest'] => ({ patterns }) as never;
const INTERESTS = [interestIn(['news']), interestIn(['news', 'orders.*'])];

const CLIENT: Omit<DescribedSession, 'interest'> = {
  id: 'a1',
  transport: 'sse',
  principal: ANONYMOUS,
  client: undefined,
  address: '203.0.113.7',
  excludesOwn: false,
  sinceMs: 1,
};

/** Few different members, so that many openings are like the one before. */
const opening = fc.record({
  id: fc.constantFrom('a1', 'b2', 'c"3'),
  transport: fc.constantFrom('sse' as const, 'websocket' as const),
  principal: fc.constantFrom(ANONYMOUS, ANONYMOUS, ANN, BEN, KEYED),
  interest: fc.constantFrom(...INTERESTS),
  client: fc.constantFrom(undefined, undefined, 'tab-1'),
  address: fc.constantFrom('203.0.113.7', '198.51.100.7'),
  excludesOwn: fc.boolean(),
  sinceMs: fc.nat(),
  openedAt: fc.option(fc.nat(), { nil: undefined }),
  isOver: fc.boolean(),
});
const plainEnd = fc.record({
  timeMs: fc.nat(),
  position: fc.nat(),
  reason: fc.constantFrom('network' as const, 'client' as const),
});
const step = fc.oneof(
  { weight: 6, arbitrary: opening.map((session) => ({ session })) },
  { weight: 2, arbitrary: plainEnd.map((end) => ({ end })) },
  { weight: 1, arbitrary: fc.constant('move' as const) },
);

test('changes become the same lines together as one by one, in their order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: NEWEST_MAX }), (steps) => {
      const waiting = new WaitingChanges(50);
      const newest = new NewestChanges('truncated', 'one', 7);
      let newestNumber = 7;
      const expected: JournalChange[] = [];
      for (const [index, each] of steps.entries()) {
        if (each === 'move') newest.moveTo(waiting);
        else if ('end' in each) {
          const change = { kind: 'ended', session: index, user: undefined, end: endOf(each.end) } as const;
          newest.add(change);
          expected.push(change);
        } else {
          const { openedAt, isOver, ...session } = each.session;
          const end = isOver ? endOf({ timeMs: 5, position: 6, reason: 'drain' }) : undefined;
          const number = newest.addOpening(session as DescribedSession, openedAt, end);
          expect(number).toBe(++newestNumber);
          const { id, transport, principal, interest, client, excludesOwn, sinceMs } = session;
          const { kind, user, key } = principal;
          const members = { id, transport, kind, user, key, client };
          const read = { channels: interest.patterns, types: undefined, changes: [], epoch: 'one' };
          const times = { openedMs: sinceMs, openedAt, end };
          const record = {
            number,
            ...members,
            address: session.address.replace(/\d+$/, '0'),
            excludesOwn,
            ...read,
            ...times,
          };
          expected.push({ kind: 'opened', session: record });
        }
        if (newest.isFull) newest.moveTo(waiting);
      }
      newest.moveTo(waiting);
      expect(newest.count).toBe(0);
      expect(waiting.count).toBe(expected.length);
      expect(waiting.first(Infinity).flatMap(({ bytes }) => changesOf(bytes))).toEqual(expected);
    }),
  );
});

test('few openings of clients that each read their own channel wait together, and many of a crowd', () => {
  const newest = new NewestChanges('truncated', 'one', 0);
  const openUntilFull = (interestOf: (index: number) => DescribedSession['interest']): number => {
    for (let opened = 0; ; opened++) {
      if (newest.isFull) return opened;
      newest.addOpening({ ...CLIENT, interest: interestOf(opened) }, 1, undefined);
    }
  };
  expect(openUntilFull((index) => interestIn([`orders.${index}`]))).toBe(UNLIKE_MAX);
  newest.moveTo(new WaitingChanges(50));
  expect(openUntilFull(() => INTERESTS[0] as DescribedSession['interest'])).toBe(NEWEST_MAX);
});

function endOf(end: Pick<SessionEnd, 'timeMs' | 'position' | 'reason'>): SessionEnd {
  return { ...end, polls: 0, skipped: [], gaps: [] };
}

function changesOf(bytes: Uint8Array): (JournalChange | undefined)[] {
  const lines = Buffer.from(bytes).toString('latin1').split('\n').slice(0, -1);
  return lines.map((_, index) => changeOfLine(lines, index, { epoch: 'one', seenMs: 0, isOver: false }));
}
