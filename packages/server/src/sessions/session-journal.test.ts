import { expect, test } from 'vitest';
import type { RecordedSession } from '../auth/sessions.ts';
import { ANONYMOUS } from '../core/access/principal.ts';
import { Interest } from '../core/interests/interest.ts';
import { TimingWheel } from '../core/primitives/timing-wheel.ts';
import type { SessionJournalStore } from '../core/session-journal/session-journal-store.ts';
import type { JournalChange } from '../core/session-journal/session-record.ts';
import { SessionJournal } from './session-journal.ts';

const RUN = { epoch: 'one', seenMs: 0, isOver: false };

/** A journal, and the changes that it has written. */
function journal(
  live: readonly RecordedSession[] = [],
  more: Partial<SessionJournalStore> = {},
): { readonly journal: SessionJournal; readonly written: JournalChange[]; tick(count: number): void } {
  const written: JournalChange[] = [];
  const store = {
    newestNumber: 0,
    oldestNumber: 1,
    batchLinesMax: 64,
    write: (batches) => {
      for (const batch of batches) written.push(...batch.changes(RUN));
    },
    eraseUser: () => 0,
    ...more,
  } as Partial<SessionJournalStore> as SessionJournalStore;
  const wheel = new TimingWheel();
  const parts = {
    store,
    settings: { journalAddresses: 'truncated' as const },
    epoch: 'one',
    clock: { nowMs: () => 2000 },
    wheel,
    createId: () => 'made',
    sessionsOf: (user: string) => live.filter(({ principal }) => principal.user === user),
    logger: { warn: () => undefined },
  };
  const tick = (count: number): void => {
    for (let index = 0; index < count; index++) wheel.advance();
  };
  return { journal: new SessionJournal(parts), written, tick };
}

const NEWS = new Interest('news', ['news'], undefined, [], 0);
const NOTHING = new Interest('', [], undefined, [], 0);

type Mutable<Value> = { -readonly [Member in keyof Value]: Value[Member] };

function session(id: string, more: Partial<RecordedSession> = {}): Mutable<RecordedSession> {
  const members: Partial<RecordedSession> = {
    id,
    transport: 'sse',
    principal: ANONYMOUS,
    interest: NEWS,
    channels: NEWS.patterns,
    client: undefined,
    excludesOwn: false,
    sinceMs: 1000,
    address: '203.0.113.7',
    position: 7,
    writtenThrough: 9,
    gaps: [],
    endReason: 'client',
    journalNumber: 0,
  };
  return { ...members, ...more } as RecordedSession;
}

test('an opening is recorded as it was, although its line is written later', () => {
  const { journal: recording, written, tick } = journal();
  const sse = session('one');
  recording.opened(sse);
  sse.position = 99;
  sse.address = '';
  expect([sse.journalNumber, recording.waitingCount, written]).toEqual([1, 1, []]);
  tick(4);
  expect([recording.waitingCount, recording.lostCount]).toEqual([0, 0]);
  expect(written).toMatchObject([
    { kind: 'opened', session: { number: 1, id: 'one', openedMs: 1000, openedAt: 7, address: '203.0.113.0' } },
  ]);
});

test('changes keep their order, also those of a crowd', () => {
  const { journal: recording, written } = journal();
  const crowd = Array.from({ length: 100 }, (_, index) => session(`id-${index}`));
  for (const each of crowd) recording.opened(each);
  recording.closed(crowd[98] as RecordedSession);
  recording.opened(session('last'));
  expect(recording.waitingCount).toBe(102);
  recording.flush();
  expect(written.map((change) => (change.kind === 'opened' ? change.session.number : -1))).toEqual([
    ...Array.from({ length: 100 }, (_, index) => index + 1),
    -1,
    101,
  ]);
  expect(written[100]).toMatchObject({ kind: 'ended', session: 99, end: { position: 9, reason: 'client' } });
});

test('a WebSocket is recorded with the user and the channels of its opening', () => {
  const { journal: recording, written } = journal();
  const socket = session('one', { transport: 'websocket' });
  recording.opened(socket);
  const { principal, channels } = socket;
  socket.interest = new Interest('both', ['news', 'orders'], undefined, [], 0);
  socket.channels = socket.interest.patterns;
  socket.principal = { ...ANONYMOUS, kind: 'user', user: 'ann' };
  recording.changed(socket, { principal, channels });
  recording.flush();
  expect(written).toMatchObject([
    { kind: 'opened', session: { user: undefined, channels: ['news'] } },
    { kind: 'changed', session: 1, change: { user: 'ann', channels: ['news', 'orders'], position: 7 } },
  ]);
});

const ANN: RecordedSession['principal'] = { ...ANONYMOUS, kind: 'user', user: 'ann' };

test('nothing of a live session is recorded after its user was erased, however old the session is', () => {
  const live = [
    session('one', { principal: ANN }),
    session('two', { principal: ANN, interest: NOTHING, channels: [] }),
  ];
  const ring = { oldestNumber: 1 };
  const { journal: recording, written } = journal(live, ring);
  for (const each of live) recording.opened(each);
  recording.flush();
  expect(written).toMatchObject([{ kind: 'opened', session: { id: 'one' } }]);
  recording.eraseUser('ann');
  // Its opening leaves the ring.
  ring.oldestNumber = 9;
  for (const each of live) {
    recording.changed(each, { principal: ANONYMOUS, channels: [] });
    recording.closed(each);
  }
  recording.flush();
  expect(written).toHaveLength(1);
});

test('what a full disk has not accepted of an erased user is not written later', () => {
  let isFull = true;
  const stored: JournalChange[] = [];
  const { journal: recording } = journal([], {
    write: (batches) => {
      if (isFull) throw new Error('the disk is full');
      for (const batch of batches) stored.push(...batch.changes(RUN));
    },
  });
  recording.opened(session('one', { principal: ANN }));
  const other = session('two');
  recording.opened(other);
  recording.eraseUser('ann');
  recording.closed(other);
  isFull = false;
  recording.flush();
  expect(stored).toMatchObject([{ kind: 'opened', session: { id: 'two' } }, { kind: 'ended' }]);
});
