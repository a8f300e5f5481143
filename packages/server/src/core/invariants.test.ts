import { expect, test } from 'vitest';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import type { Wakeable } from './interests/interest.ts';
import { Interests } from './interests/interests.ts';
import type { StoredRecord } from './ports.ts';
import { Presence } from './presence/presence.ts';
import { PresenceChannel } from './presence/presence-members.ts';
import { ByteBudget } from './primitives/byte-budget.ts';
import { InvariantError } from './primitives/invariant.ts';
import { Tail } from './tail.ts';
import { createFeedWorld, positionFraming, publish } from './testing/feed-world.ts';

/** Each test breaks a state that is right, and the assertions find it. */
type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

function expectBroken(check: () => void, statement: string): void {
  expect(check).toThrow(InvariantError);
  expect(check).toThrow(statement);
}

function record(position: number, channel = 'a'): Writable<StoredRecord> {
  return { position, channel, type: undefined, timeMs: 1, body: new Uint8Array(10) };
}

function tailOf(...records: readonly StoredRecord[]): Tail {
  const tail = new Tail({ bytesMax: 1e6, channelsMax: 10, isLatestOnly: () => false }, 0);
  for (const each of records) tail.push(each);
  tail.assertInvariants();
  return tail;
}

test('a tail refuses an event that the log has not just appended', () => {
  const tail = tailOf(record(1), record(2));
  expectBroken(() => tail.push(record(2)), 'tail: events come in the order of the log');
});

test.each<[statement: string, breakIt: (first: Writable<StoredRecord>) => void]>([
  ['tail: the bytes are the sum over all events', (first) => (first.body = new Uint8Array(11))],
  ['tail: events are in order', (first) => (first.position = 5)],
  ['tail: the channel of each event is known', (first) => (first.channel = 'other')],
  ['tail: a channel has its events that were not removed', (first) => (first.channel = 'b')],
])('%s', (statement, breakIt) => {
  const first = record(1);
  const tail = tailOf(first, record(2, 'b'), record(3));
  breakIt(first);
  expectBroken(() => tail.assertInvariants(), statement);
});

function reader(): Wakeable {
  return { wake: () => undefined, position: 0, index: -1 };
}

test.each<[statement: string, breakIt: (one: Wakeable, interest: ReturnType<Interests['getOrCreate']>) => void]>([
  ['interests: a reader knows its index', (one) => (one.index = 1)],
  ['interests: one without readers is idle', (_one, interest) => (interest.readers = [])],
  ['interests: one with readers learns of new events', (_one, interest) => (interest.isIndexed = false)],
  ['interests: no wake-up is left over', (_one, interest) => (interest.isWakePending = true)],
  ['interests: the readers are counted', (one) => ((one as { isDurable: boolean }).isDurable = true)],
  ['interests: the joined bytes', (_one, interest) => ((interest as { bytes: number }).bytes += 1)],
  ['interests: an indexed interest is found', (_one, interest) => (interest.patterns as string[]).push('b.*.>')],
])('%s', (statement, breakIt) => {
  const interests = new Interests();
  const interest = interests.getOrCreate(['a', 'a.*'], undefined, [], 0);
  const one = reader();
  interests.join(interest, one, 0);
  interests.getOrCreate(['c'], undefined, [], 0);
  interests.assertInvariants();
  breakIt(one, interest);
  expectBroken(() => interests.assertInvariants(), statement);
});

test('feed: a joined reader has caught up, or is known to be behind', async () => {
  const { log, feed } = createFeedWorld(createMemoryLog());
  const one = { ...reader(), sink: {} };
  feed.join(feed.interest(['a']), one);
  feed.assertInvariants();
  feed.addBehind(one);
  await publish(log, 'a', 'a');
  feed.assertInvariants();
  feed.removeBehind(one);
  expectBroken(() => feed.assertInvariants(), 'feed: a joined reader has caught up');
});

test('batch cache: the interest of a batch has it', async () => {
  const { log, feed } = createFeedWorld(createMemoryLog());
  const interest = feed.interest(['a']);
  feed.join(interest, { ...reader(), isDurable: true });
  await publish(log, 'a', 'a');
  expect(feed.next(interest, positionFraming, 0, Infinity, Infinity)).toMatchObject({ count: 2 });
  feed.assertInvariants();
  interest.batches?.pop();
  expectBroken(() => feed.assertInvariants(), 'batch cache: the interest of a batch has it');
});

test('pending trims: none is due before an earlier one', async () => {
  const { feed } = createFeedWorld(createMemoryLog());
  const order = { channel: 'a', countMax: 1 };
  feed.onTrimmed([order], 10_000);
  feed.onTrimmed([order], 5000);
  expectBroken(() => feed.assertInvariants(), 'pending trims: none is due before an earlier one');
});

test('a budget refuses to release what was not reserved', () => {
  const budget = new ByteBudget(100);
  budget.reserve(10, 'ann');
  budget.reserve(20, undefined);
  budget.assertInvariants();
  expectBroken(() => budget.release(15, 'ann'), 'budget: a client releases only what it has reserved');
  expectBroken(() => budget.assertInvariants(), 'budget: the part of all clients is the sum over them');
  expectBroken(() => new ByteBudget(100).release(1, undefined), 'budget: only what was reserved is released');
});

test('presence: delayed members are in the order of their times', () => {
  const presence = new Presence({
    graceMs: 100,
    pollGraceMs: 100,
    listedMax: 10,
    systemEvents: false,
    newChannelsPerSecond: 10,
    newChannelsBurst: 10,
    membersBytesMax: 1e6,
    userMembersBytesMax: 1e6,
    infosBytesMax: 1e6,
  });
  for (const user of ['ann', 'bob']) presence.enter('room', user, undefined, 0);
  presence.takeChanges(10, 0, 0);
  presence.leave('room', 'ann', 1000);
  presence.assertInvariants();
  // A clock that goes back.
  presence.leave('room', 'bob', 500);
  expectBroken(() => presence.assertInvariants(), 'presence: delayed members are in the order of their times');
});

test.each<[statement: string, breakIt: (channel: PresenceChannel) => void]>([
  ['presence: the count is that of the announced users', (channel) => channel.announcedUserCount++],
  ['presence: a member has a session', (channel) => channel.add('bob')],
])('%s', (statement, breakIt) => {
  const channel = new PresenceChannel('room');
  channel.add('ann').sessions = 1;
  channel.assertInvariants();
  breakIt(channel);
  expectBroken(() => channel.assertInvariants(), statement);
});
