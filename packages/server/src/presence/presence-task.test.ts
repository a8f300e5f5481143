import { PolycastError } from '@polycast/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Log } from '../core/ports.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { Publisher } from '../core/publish.ts';
import { ChannelRules } from '../core/access/channel-rules.ts';
import { withSystemRules } from '../core/access/system-rules.ts';
import { TimingWheel } from '../core/primitives/timing-wheel.ts';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import { createMemoryPresenceStore } from '../storage/memory/memory-presence-store.ts';
import { openPresenceStore } from '../storage/sqlite/presence/sqlite-presence-store.ts';
import { RULE_DEFAULTS } from '../testing/rule-defaults.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { PresenceTask } from './presence-task.ts';

interface Options {
  readonly log?: Log;
  readonly store?: PresenceStore;
}

/** A presence task with a clock that the test sets. */
function begin({
  log = createMemoryLog({ channelsMax: 1000 }),
  store = createMemoryPresenceStore(log.state.epoch),
}: Options = {}) {
  const clock = { timeMs: 1000, nowMs: () => Date.UTC(2026, 0) + clock.timeMs, monotonicMs: () => clock.timeMs };
  const wheel = new TimingWheel();
  const warnings: string[] = [];
  const encode = (text: string): Uint8Array => Buffer.from(text);
  const publisher = new Publisher(log, new ChannelRules(withSystemRules([]), RULE_DEFAULTS), clock, {
    appendQueueBytesMax: 1e6,
    encode,
    fingerprint: (text) => text,
    onAppended: () => undefined,
  });
  const task = new PresenceTask({
    settings: {
      graceMs: 1000,
      pollGraceMs: 1000,
      listedMax: 10,
      systemEvents: true,
      newChannelsPerSecond: 100,
      newChannelsBurst: 100,
      membersBytesMax: 1e9,
      userMembersBytesMax: 1e9,
      infosBytesMax: 1e9,
    },
    isTracked: (channel) => channel.startsWith('room.'),
    publisher,
    log,
    clock,
    wheel,
    store,
    logger: { info: () => undefined, warn: (_fields, message) => void warnings.push(message) },
  });
  return {
    task,
    log,
    warnings,
    pass(durationMs: number): void {
      for (let passedMs = 0; passedMs < durationMs; passedMs += 250) {
        clock.timeMs += 250;
        wheel.advance();
      }
    },
  };
}

const user = (name: string, info?: unknown): Principal => ({ ...ANONYMOUS, kind: 'user', user: name, info });
const inRoom = (principal: Principal, channels = ['room.1']) => ({ principal, channels });

async function publishedEvents(log: Log): Promise<string[]> {
  const page = await log.read({
    patterns: ['polycast.>'],
    types: undefined,
    after: 0,
    through: log.state.head,
    direction: 'forward',
    limit: 1000,
    bytesMax: Infinity,
  });
  return page.records.map(({ type, body }) => {
    const { data } = JSON.parse(`{${Buffer.from(body).toString()}`) as { data: { user?: string } };
    return `${type?.slice('polycast.'.length)} ${data.user ?? ''}`.trim();
  });
}

async function untilPublished(log: Log, count: number): Promise<string[]> {
  await expect.poll(async () => (await publishedEvents(log)).length).toBe(count);
  return publishedEvents(log);
}

function storeIn(folder: string, epoch = 'one'): PresenceStore {
  const store = openPresenceStore(folder, epoch);
  onTestFinished(() => store.close());
  return store;
}

test('changes during an erasure of the store are announced, and are in the store after the next change', async () => {
  const log = createMemoryLog({ channelsMax: 1000 });
  const store = storeIn(temporaryFolder(), log.state.epoch);
  const users = Array.from({ length: 60_000 }, (_, index) => `somebody with a long name ${index}`);
  store.apply(
    users.map((name) => ({ kind: 'online', user: name, sequence: 1 })),
    0,
  );
  const { task, warnings } = begin({ log, store });
  let isErased = false;
  const erased = store.eraseRemoved().then(() => (isErased = true));
  // In every turn: the thread may have ended before a timer of this process fires.
  while (!store.isBusy && !isErased) await new Promise(setImmediate);
  expect(store.isBusy).toBe(true);
  task.opened(inRoom(user('ann')));
  await untilPublished(log, 3);
  await erased;
  task.opened(inRoom(user('bob')));
  await untilPublished(log, 5);
  await expect.poll(() => store.position).toBe(log.state.head);
  expect(store.load()).toMatchObject({ channels: [{ members: [{ user: 'ann' }, { user: 'bob' }] }] });
  expect(warnings).toEqual([]);
});

describe('the presence of sessions', () => {
  test('those that read a pattern, a private channel, or with a key, are not present', async () => {
    const { task, log } = begin();
    task.opened(inRoom(user('ann'), ['room.*', 'polycast.private.ann', 'elsewhere']));
    task.opened(inRoom({ ...ANONYMOUS, kind: 'server', key: 'k1' }));
    task.opened(inRoom(user('bob')));
    expect(await untilPublished(log, 4)).toEqual(['online ann', 'online bob', 'join bob', 'occupied']);
    expect((await task.snapshot('room.1')).users).toBe(1);
  });

  test('a channel whose name is too long for a presence channel has no presence', async () => {
    const { task } = begin();
    const long = `room.${'x'.repeat(178)}`;
    task.opened(inRoom(user('ann'), [long]));
    await expect(task.snapshot(long)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('one that goes from one channel to another leaves the first and is in the second', async () => {
    const { task, log, pass } = begin();
    const before = inRoom(user('ann'), ['room.1', 'room.2']);
    task.opened(before);
    await untilPublished(log, 5);
    task.changed(inRoom(before.principal, ['room.2', 'room.3']), before);
    await untilPublished(log, 7);
    pass(1000);
    expect((await untilPublished(log, 9)).slice(5)).toEqual(['join ann', 'occupied', 'leave ann', 'vacated']);
  });

  test('a session that authenticates in mid-connection was anonymous before', async () => {
    const { task, log, pass } = begin();
    const before = inRoom(ANONYMOUS);
    task.opened(before);
    await untilPublished(log, 2);
    task.changed(inRoom(user('ann')), before);
    await untilPublished(log, 4);
    pass(1000);
    expect(await untilPublished(log, 5)).toEqual(['count', 'occupied', 'online ann', 'join ann', 'count']);
    expect(await task.snapshot('room.1')).toMatchObject({ users: 1, anonymous: 0 });
  });

  test('user info that is too long is not shown', async () => {
    const { task, log } = begin();
    task.opened(inRoom(user('ann', { text: 'x'.repeat(5000) })));
    await untilPublished(log, 3);
    expect((await task.snapshot('room.1')).members[0]?.info).toBeUndefined();
  });

  test('no user leaves when the hub drains', async () => {
    const { task, log, pass } = begin();
    task.opened(inRoom(user('ann')));
    await untilPublished(log, 3);
    task.freeze();
    task.closed(inRoom(user('ann')));
    pass(5000);
    await task.close();
    expect(await publishedEvents(log)).toHaveLength(3);
  });
});

describe('while the log accepts no events', () => {
  test('publishes nothing and no snapshot, and later everything in order, except changes that cancel out', async () => {
    const memory = createMemoryLog({ channelsMax: 1000 });
    let fails = false;
    const log: Log = {
      ...methodsOf(memory),
      get state() {
        return memory.state;
      },
      append: (records) => (fails ? Promise.reject(new PolycastError('log_full')) : memory.append(records)),
    };
    const { task, pass, warnings } = begin({ log });
    task.opened(inRoom(user('ann')));
    await untilPublished(log, 3);
    fails = true;
    task.opened(inRoom(user('bob')));
    await expect.poll(() => warnings).toContain('presence: publishing failed, retrying');
    await expect(task.snapshot('room.1')).rejects.toMatchObject({ code: 'log_unavailable' });
    for (let round = 0; round < 100; round++) {
      task.opened(inRoom(user('cyd')));
      task.closed(inRoom(user('cyd')));
    }
    pass(5000);
    fails = false;
    pass(1000);
    expect((await untilPublished(log, 5)).slice(3)).toEqual(['online bob', 'join bob']);
    expect((await task.snapshot('room.1')).users).toBe(2);
  });
});

describe('the store', () => {
  test('contains the published state, and after a restart users who do not return leave', async () => {
    const folder = temporaryFolder();
    const { task, log } = begin({ store: openPresenceStore(folder, 'one') });
    await task.start();
    task.opened(inRoom(user('ann', { name: 'Ann' })));
    task.opened(inRoom(user('bob')));
    await untilPublished(log, 5);
    await task.close();
    const again = begin({ log, store: storeIn(folder) });
    await again.task.start();
    again.task.opened(inRoom(user('ann', { name: 'Ann' })));
    expect((await again.task.snapshot('room.1')).members.map((member) => [member.user, member.info])).toEqual([
      ['ann', { name: 'Ann' }],
      ['bob', undefined],
    ]);
    again.pass(1250);
    expect((await untilPublished(log, 7)).slice(5).toSorted()).toEqual(['leave bob', 'offline bob']);
  });

  test('that lacks events of the log is updated from it', async () => {
    const folder = temporaryFolder();
    const { task, log } = begin();
    task.opened(inRoom(user('ann')));
    task.opened(inRoom(ANONYMOUS));
    await untilPublished(log, 4);
    // The hub is killed before the first write of its store.
    const store = storeIn(folder);
    const again = begin({ log, store });
    await again.task.start();
    expect(await again.task.snapshot('room.1')).toMatchObject({ users: 1, anonymous: 1 });
    expect(store.position).toBe(log.state.head);
    expect(store.load()).toMatchObject({
      online: ['ann'],
      occupied: ['room.1'],
      usersSequence: 1,
      channelsSequence: 1,
    });
  });

  test('that fails for a while receives all changes later', async () => {
    const folder = temporaryFolder();
    const store = storeIn(folder);
    let fails = true;
    const failing = Object.assign(Object.create(store) as PresenceStore, {
      apply: (...publishedEvents: Parameters<PresenceStore['apply']>) => {
        if (fails) throw new Error('disk I/O error');
        store.apply(...publishedEvents);
      },
    });
    Object.defineProperties(failing, { position: { get: () => store.position }, isBusy: { value: false } });
    const { task, log, warnings } = begin({ store: failing });
    task.opened(inRoom(user('ann')));
    await untilPublished(log, 3);
    await expect.poll(() => warnings).toHaveLength(1);
    fails = false;
    task.opened(inRoom(user('bob')));
    await untilPublished(log, 5);
    await expect.poll(() => store.position).toBe(log.state.head);
    expect(store.load().online).toEqual(['ann', 'bob']);
  });

  test('ignores events of other publishers on an open channel', async () => {
    const { log } = begin();
    const body = (text: string): Uint8Array => Buffer.from(text);
    const record = {
      timeMs: 1,
      retain: 'history' as const,
      idempotencyKey: undefined,
      fingerprint: undefined,
      ifLatest: undefined,
    };
    await log.append([
      { ...record, channel: 'polycast.presence.room.1', type: 'polycast.join', body: body('"channel":"x","data":7}') },
      {
        ...record,
        channel: 'polycast.users.online',
        type: 'polycast.online',
        body: body('"channel":"x","data_base64":""}'),
      },
      { ...record, channel: 'polycast.users.online', type: undefined, body: body('"channel":"x","data":{"user":1}}') },
    ]);
    const store = storeIn(temporaryFolder());
    const { task } = begin({ log, store });
    await task.start();
    expect(store.load()).toMatchObject({ channels: [], online: [] });
  });
});

/** The methods of a log, without the members that are read on each use. */
function methodsOf(log: Log): Omit<Log, 'state' | 'append'> {
  return {
    follow: (listener) => log.follow(listener),
    read: (query) => log.read(query),
    count: (query) => log.count(query),
    channels: (query) => log.channels(query),
    trim: (orders, nowMs) => log.trim(orders, nowMs),
    erasing: log.erasing,
    stats: () => log.stats(),
    close: () => log.close(),
  };
}
