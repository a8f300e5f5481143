import { parseCursor } from '@polycast/protocol';
import { Seeded } from '../../conformance/kit/seeded.ts';
import { createMemoryView } from '../../packages/server/src/storage/memory/memory-view.ts';
import { MARK } from '../../packages/server/src/storage/cluster/journal-marks.ts';
import type { Block } from '../../packages/server/src/storage/view/block.ts';
import type { LogView } from '../../packages/server/src/storage/view/log-view.ts';
import {
  CHANNELS,
  KnownIdentity,
  SimulatedCaller,
  SimulatedOperator,
  SimulatedPublisher,
  SimulatedReader,
  TRIMMED_CHANNEL,
} from './clients.ts';
import { FAULTS, ROLLBACK } from './faults.ts';
import { SimulatedBrokers } from './simulated-brokers.ts';
import { AUDIT_ENTRIES_MAX, SimulatedSnapshots } from './simulated-disk.ts';
import { SimulatedFleets } from './simulated-fleet.ts';
import { SimulatedHub } from './simulated-hub.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface Schedule {
  readonly faults: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly rollbacks: number;
}

/**
 * Schedules of these seeds erase events.
 * Those that have found defects have other seeds, and stay the same.
 */
const isErasing = (seed: number): boolean => [2, 6].includes(seed % 7);

/** The longest time in which a healthy cluster comes to rest. */
const REST_MS = 120_000;

/**
 * Runs one schedule: hubs, clients and faults in an order that the seed decides.
 * Then all faults end, and the cluster comes to rest.
 * @throws Error when an invariant does not hold
 */
export async function runSchedule(time: VirtualTime, seed: number, trace: (text: string) => void): Promise<Schedule> {
  const random = new Seeded(seed);
  time.reset(random);
  const schedule = new Run(time, random, (text) => trace(`${time.nowMs.toFixed(1)} ${text}`));
  try {
    return await schedule.run();
  } finally {
    for (const hub of schedule.hubs) hub.kill();
  }
}

class Run {
  readonly time: VirtualTime;
  readonly random: Seeded;
  readonly trace: (text: string) => void;
  readonly brokers: SimulatedBrokers;
  readonly fleets: SimulatedFleets;
  readonly snapshots: SimulatedSnapshots;
  readonly hubs: readonly SimulatedHub[];
  canRollBack = false;
  #publishers: readonly SimulatedPublisher[] = [];
  #readers: readonly SimulatedReader[] = [];
  /** The texts of events whose erasure was confirmed, with the number of rollbacks before. */
  readonly #erased = new Map<string, number>();
  readonly #known = new KnownIdentity();
  /** What the brokers have lost: positions and texts. */
  readonly #lost = new Set<string>();
  /** The newest block that the last rollback left. */
  #leftThrough = 0;
  /**
   * Faults took the last copy of the blocks that the brokers have lost.
   * So no hub can notice the loss.
   */
  #isForgotten = false;
  #failure: unknown;

  constructor(time: VirtualTime, random: Seeded, trace: (text: string) => void) {
    this.time = time;
    this.random = random;
    this.trace = trace;
    this.brokers = new SimulatedBrokers(random);
    this.fleets = new SimulatedFleets(time);
    this.snapshots = new SimulatedSnapshots(time, random);
    this.hubs = ['a', 'b', 'c'].slice(0, 2 + random.below(2)).map((name) => new SimulatedHub(name, this));
  }

  async run(): Promise<Schedule> {
    const { random, time, brokers } = this;
    for (const hub of this.hubs) hub.start();
    await this.#until('all hubs run', () => this.hubs.every(({ open }) => open !== undefined));
    this.#publishers = ['p', 'q'].map((name) => new SimulatedPublisher(this, name));
    this.#readers = [new SimulatedReader(this), new SimulatedReader(this)];
    // Each of them waits at times for a hub that is cut off, so there are several.
    const others = [1, 2].flatMap(() => [
      new SimulatedOperator(this, this.#known),
      new SimulatedCaller(this, this.#known),
    ]);
    const clients = [...this.#publishers, ...this.#readers, ...others];
    for (const { ended } of clients) ended.catch((error: unknown) => this.fail(error));
    const trimming = setInterval(() => this.#trim(), 3_000);
    const erasing = isErasing(random.seed) ? setInterval(() => this.#erase(), 2_000) : undefined;
    const count = 2 + random.below(5);
    this.canRollBack = random.below(3) === 0;
    const heals: (() => void)[] = [];
    for (let number = 0; number < count; number++) {
      await this.#advance(random.below(3_000));
      const name = random.pick(Object.keys(FAULTS));
      const isRollback = this.canRollBack && random.below(count) === 0;
      this.trace(`fault: ${isRollback ? 'rollback' : name}`);
      const heal = await (isRollback ? ROLLBACK : (FAULTS[name] as typeof ROLLBACK))(this);
      await this.#advance(random.pick([200, 1_000, 4_000, 30_000]) * random.fraction());
      // Some faults overlap with later ones.
      if (random.below(4) === 0) heals.push(heal);
      else heal();
      this.trace('healed');
    }
    for (const heal of heals) heal();
    await this.#advance(random.below(4_000));
    for (const client of clients) client.isStopped = true;
    let isEnded = false;
    void Promise.allSettled(clients.map(({ ended }) => ended)).then(() => (isEnded = true));
    await this.#until('all clients have stopped', () => isEnded);
    clearInterval(trimming);
    clearInterval(erasing);
    // A revocation that is in force and not stored is stored by a hub that has heard of it.
    await this.#advance(12_000);
    await this.#until('all hubs are at rest', () => this.#isAtRest());
    await this.#check();
    const events = this.#publishers.reduce((sum, { confirmed }) => sum + confirmed.length, 0);
    return { faults: count, events, virtualMs: time.nowMs, rollbacks: brokers.rollbacks };
  }

  fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** The brokers lose the newest blocks, and what was confirmed with them. */
  async rollBack(): Promise<void> {
    const { brokers } = this;
    const { length } = brokers.history;
    const through = Math.max(brokers.first, length - 1 - this.random.below(12));
    if (through >= length) return;
    const before = await textsOf(await this.#reference());
    this.takeBlocks(() => {
      brokers.rollBack(through);
      this.#leftThrough = through;
    });
    this.trace(`rolled back from ${length} to ${through}`);
    const after = await textsOf(await this.#reference());
    for (const [position, text] of before) if (after.get(position) !== text) this.#lost.add(`${position} ${text}`);
  }

  /**
   * Takes blocks from the brokers or from a hub.
   * A hub that removes its view itself has to know why.
   */
  takeBlocks(take: () => void): void {
    const wasKnown = this.#isLossKnown;
    take();
    if (!wasKnown || this.#isLossKnown) return;
    this.trace('nobody has the lost blocks any more');
    this.#isForgotten = true;
  }

  /** Whether a hub has a block that the brokers have lost, or has noticed it. */
  get #isLossKnown(): boolean {
    const { history, rollbacks } = this.brokers;
    const hasLost = ({ disk, received }: SimulatedHub): boolean =>
      [...disk.blocks, ...received].some(({ id, sequence }) => id !== history[sequence - 1]?.id);
    return rollbacks === 0 || this.#isNewEpochOrdered || this.hubs.some(hasLost);
  }

  /** Whether a hub has noticed the last rollback, and the journal says so. */
  get #isNewEpochOrdered(): boolean {
    return this.brokers.history.slice(this.#leftThrough).some(isEpochOrder);
  }

  /** The view of a hub that never failed. */
  async #reference(): Promise<LogView> {
    const view = createMemoryView(AUDIT_ENTRIES_MAX);
    await view.apply(this.brokers.history);
    return view;
  }

  #trim(): void {
    const hub = this.random.pick(this.hubs);
    const { open } = hub;
    if (open === undefined || !open.log.isTrimmer) return;
    hub.call(({ log }) => log.trim([{ channel: TRIMMED_CHANNEL, countMax: 3 }], Date.now())).catch(() => undefined);
  }

  /** Erases an event of the channel that is trimmed, at any hub. */
  #erase(): void {
    const hub = this.random.pick(this.hubs);
    const { rollbacks } = this.brokers;
    const erase = hub.call(async ({ log }) => {
      const [query, all] = [
        { patterns: [TRIMMED_CHANNEL], types: undefined, after: 0 },
        { limit: 100, bytesMax: 1e6 },
      ];
      const { records } = await log.read({ ...query, ...all, through: log.state.head, direction: 'forward' });
      const record = this.random.pick(records);
      if (record === undefined) return;
      const { position, body } = record;
      await log.erasing.erase({ positions: [position], channels: [TRIMMED_CHANNEL] });
      const text = Buffer.from(body).toString();
      this.trace(`${hub.name} erased ${text} at ${position}`);
      if (rollbacks === this.brokers.rollbacks) this.#erased.set(text, rollbacks);
    });
    erase.catch(() => undefined);
  }

  #isAtRest(): boolean {
    const { length } = this.brokers.history;
    const isReady = this.hubs.every(({ open }) => open !== undefined && open.log.notReadyReason === undefined);
    // A mark may come at any time, and all apply it soon.
    return (
      isReady &&
      this.hubs.every(
        ({ open }) => open?.log.stats()['appliedSequence'] === length && open.store.shared?.isCurrent === true,
      )
    );
  }

  async #check(): Promise<void> {
    const { brokers, hubs } = this;
    const problems = hubs.flatMap(({ open }) => open?.log.problems ?? ['does not run']);
    expectEqual('problems', problems, []);
    const misled = hubs.filter(({ hasMisled }) => hasMisled).map(({ name }) => name);
    expectEqual('hubs that passed a wrong position on', misled, []);
    const applied = hubs.map(({ disk }) => disk.blocks.length);
    expectEqual(
      'applied blocks',
      applied,
      applied.map(() => brokers.history.length),
    );
    const reference = await this.#reference();
    const expected = await textsOf(reference);
    const identity = plain(await reference.identity());
    for (const { name, disk, open, followed } of hubs) {
      const view = await disk.openView();
      expectEqual(`state of ${name}`, view.applied, reference.applied);
      expectEqual(`identity of ${name}`, plain(await view.identity()), identity);
      if (open === undefined) continue;
      const texts = await textsOf(open.log);
      expectEqual(`events of ${name}`, [...texts], [...expected]);
      this.#checkFollowed(name, followed, open.log.state.head, expected);
      const ids = open.identity.keys
        .list()
        .map(({ id }) => id)
        .toSorted();
      expectEqual(`keys of ${name}`, ids, (await reference.identity()).keys.map(({ key }) => key.id).toSorted());
      this.#checkRevocations(name, open);
    }
    if (brokers.history.some(isEpochOrder) && brokers.rollbacks === 0)
      throw new Error('a new epoch without a rollback');
    for (const { confirmed } of this.#publishers)
      for (const { text, cursor } of confirmed) {
        const { position } = cursor;
        const isLost = this.#isTrimmed(text) || this.#lost.has(`${position} ${text}`);
        if (!isLost && expected.get(position) !== text)
          throw new Error(`the confirmed event ${text} is not at ${position}, but ${expected.get(position)}`);
      }
    for (const [text, rollbacks] of this.#erased)
      if (rollbacks === brokers.rollbacks && [...expected.values()].includes(text))
        throw new Error(`the erased event ${text} is there`);
    const texts = [...expected.values()];
    expectEqual('events that are twice', texts.length - new Set(texts).size, 0);
    this.#checkReaders(expected, reference);
  }

  /** The log has passed each event on once, in order, and as it stored it. */
  #checkFollowed(
    name: string,
    { after, records }: SimulatedHub['followed'],
    head: number,
    expected: ReadonlyMap<number, string>,
  ): void {
    expectEqual(
      `positions that ${name} passed on`,
      records.map(({ position }) => position),
      Array.from({ length: head - after }, (_, index) => after + 1 + index),
    );
    for (const { position, body } of records) {
      const stored = expected.get(position);
      if (stored !== undefined)
        expectEqual(`event ${position} that ${name} passed on`, Buffer.from(body).toString(), stored);
    }
  }

  /** The events of the channel that is trimmed. */
  #isTrimmed(text: string): boolean {
    return this.#publishers.some(({ trimmed }) => trimmed.has(text));
  }

  #checkRevocations(name: string, { identity }: NonNullable<SimulatedHub['open']>): void {
    const { rollbacks } = this.brokers;
    for (const [user, revoked] of this.#known.users)
      if (revoked.rollbacks === rollbacks && (identity.revocations.revokedBefore(user) ?? 0) < revoked.beforeMs)
        throw new Error(`the revocation of ${user} does not hold at ${name}`);
    for (const { id, revokedMs, rollbacks: made } of this.#known.keys)
      if (revokedMs !== undefined && made === rollbacks && identity.keys.get(id) !== undefined)
        throw new Error(`the revoked key ${id} is valid at ${name}`);
  }

  /**
   * Each reader has all events since its start, or since its last gap, once and in order. One that
   * has not read since a rollback would receive a gap. Without any, a reader of a lost event goes
   * on in another history (decision 0059, "Limits").
   */
  #checkReaders(expected: ReadonlyMap<number, string>, { state: { epoch } }: LogView): void {
    if (this.#isForgotten && !this.#isNewEpochOrdered) return;
    for (const { received, cursor, start } of this.#readers) {
      const reached = parseCursor(cursor);
      if (reached?.epoch !== epoch) continue;
      const all = [...expected]
        .filter(([position, text]) => !this.#isTrimmed(text) && position > start && position <= reached.position)
        .map(([, text]) => text);
      expectEqual(
        'events of a reader',
        received.map(({ text }) => text),
        all,
      );
    }
  }

  async #advance(durationMs: number): Promise<void> {
    await this.time.advance(durationMs, () => this.#failure !== undefined);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #until(what: string, isTrue: () => boolean): Promise<void> {
    const isReached = await this.time.advance(REST_MS, () => this.#failure !== undefined || isTrue());
    if (this.#failure !== undefined) throw this.#failure;
    if (!isReached) throw new Error(`not in ${REST_MS} ms: ${what}`);
  }
}

function isEpochOrder({ kind, data }: Block): boolean {
  return kind === 'epoch' && !Buffer.from(data).equals(MARK);
}

/** The texts of all stored events, by their positions. */
async function textsOf(log: Pick<LogView, 'read' | 'state'>): Promise<Map<number, string>> {
  const query = {
    patterns: [...CHANNELS, TRIMMED_CHANNEL],
    types: undefined,
    after: 0,
    through: log.state.head,
  } as const;
  const { records } = await log.read({ ...query, direction: 'forward', limit: 1e6, bytesMax: 1e9 });
  return new Map(records.map(({ position, body }) => [position, Buffer.from(body).toString()]));
}

function plain(value: unknown): string {
  return JSON.stringify(value);
}

function expectEqual(what: string, found: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${what}: ${one.slice(0, 2000)} and not ${other.slice(0, 2000)}`);
}
