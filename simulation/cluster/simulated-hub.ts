import type { StoredRecord } from '../../packages/server/src/core/ports.ts';
import type { Seeded } from '../../conformance/kit/seeded.ts';
import { openIdentity, type Identity } from '../../packages/server/src/identity/identity.ts';
import type { IdentityStore } from '../../packages/server/src/core/access/identity-store.ts';
import { createMemoryIdentityStore } from '../../packages/server/src/storage/memory/memory-identity-store.ts';
import type { JournalFollower } from '../../packages/server/src/storage/cluster/journal.ts';
import type { JournaledLog } from '../../packages/server/src/storage/cluster/journaled-log.ts';
import { openClusterLog } from '../../packages/server/src/storage/cluster/open-cluster-log.ts';
import type { Block, BlockAddress } from '../../packages/server/src/storage/view/block.ts';
import type { SimulatedBrokers } from './simulated-brokers.ts';
import { SimulatedConnection, type Link } from './simulated-connection.ts';
import { AUDIT_ENTRIES_MAX, SimulatedDisk, type SimulatedSnapshots } from './simulated-disk.ts';
import type { SimulatedFleets } from './simulated-fleet.ts';
import { SimulatedJournal } from './simulated-journal.ts';
import type { SimulatedProcess, VirtualTime } from './virtual-time.ts';

/** What the hubs of a simulation share. */
export interface Surroundings {
  readonly time: VirtualTime;
  readonly random: Seeded;
  readonly brokers: SimulatedBrokers;
  readonly fleets: SimulatedFleets;
  readonly snapshots: SimulatedSnapshots;
  trace(text: string): void;
  /** A hub loses blocks of its disk or of its memory. */
  takeBlocks(take: () => void): void;
}

export class HubDownError extends Error {}

/** A hub that runs: the log and the identity of the product. */
export interface OpenHub {
  readonly log: JournaledLog;
  readonly identity: Identity;
  readonly store: IdentityStore;
}

const SETTINGS = {
  auditEntriesMax: AUDIT_ENTRIES_MAX,
  revocationsKeptSeconds: 100_000,
  revocationsMax: 20,
  keysMax: 1000,
};
const SNAPSHOT_BYTES = 30_000;
/** A supervisor starts a hub again that could not open. */
const RESTART_MS = 1_000;

/**
 * One hub of a simulation: its disk, its network to each broker, and its process, which may end.
 */
export class SimulatedHub {
  readonly name: string;
  readonly disk: SimulatedDisk;
  readonly links: readonly Link[];
  /** An older version does not know the commands of identity, and erasures. */
  isOld = false;
  /** Milliseconds by which its clock is wrong. */
  skewMs = 0;
  /** Undefined while it does not run. */
  open: OpenHub | undefined;
  /** The blocks that its process has received, applied or not. */
  received: Block[] = [];
  /** What the rest of the hub has received of its log since it opened, and the head before. */
  followed: { readonly after: number; readonly records: StoredRecord[] } = { after: 0, records: [] };
  /** It has passed an event on with a wrong position. */
  hasMisled = false;
  readonly #world: Surroundings;
  #process: SimulatedProcess = { isDead: true };
  #starts = 0;

  constructor(name: string, world: Surroundings) {
    this.name = name;
    this.#world = world;
    this.disk = new SimulatedDisk(world.time, world.random);
    this.links = world.brokers.all.map(() => ({ isCut: false, isDeaf: false, delayMs: 0 }));
  }

  get isRunning(): boolean {
    return !this.#process.isDead;
  }

  start(): void {
    const process = { isDead: false };
    this.#process = process;
    this.#world.time.within(process, () => void this.#run(process));
  }

  /** Ends it at once, as `kill -9` does. */
  kill(): void {
    this.#process.isDead = true;
    this.open = undefined;
    this.#world.takeBlocks(() => this.disk.onEnded());
    this.#forget();
  }

  #forget(): void {
    this.#world.takeBlocks(() => (this.received = []));
  }

  /**
   * Calls a function in the process of the hub. Its result never comes if the process ends before.
   */
  async call<Value>(run: (hub: OpenHub) => Promise<Value>): Promise<Value> {
    const { open } = this;
    if (open === undefined) throw new HubDownError('the hub does not run');
    const process = this.#process;
    return this.#world.time.within(process, () => run(open));
  }

  async #run(process: SimulatedProcess): Promise<void> {
    for (;;) {
      try {
        const reset = await this.#openOnce(process);
        await reset;
        this.#world.trace(`${this.name} opens again`);
        const open = this.open;
        this.open = undefined;
        open?.identity.close();
        await open?.log.close();
        this.#forget();
      } catch (error) {
        this.#forget();
        this.#world.trace(`${this.name} cannot open: ${(error as Error).message}`);
        await this.#world.time.wait(RESTART_MS);
      }
    }
  }

  /** @returns resolves when the hub has to open again */
  async #openOnce(process: SimulatedProcess): Promise<Promise<void>> {
    const { time, random, brokers, fleets, snapshots, trace } = this.#world;
    const incarnation = `${this.name}${String(++this.#starts).padStart(4, '0')}`;
    const connection = new SimulatedConnection(time, random, brokers, this.links, process);
    const journal = this.isOld ? new OldJournal(brokers, connection) : new SimulatedJournal(brokers, connection);
    const report = (level: string) => (fields: object, message: string) =>
      trace(`${this.name} ${level} ${message} ${JSON.stringify(fields)}`);
    const logger = {
      info: report('info'),
      warn: report('warn'),
      error: (fields: object, message: string): void => {
        report('error')(fields, message);
        if ('reason' in fields && fields.reason === 'passed_on') this.hasMisled = true;
      },
    };
    const clock = { nowMs: () => Date.now() + this.skewMs, monotonicMs: () => performance.now() };
    const follow = journal.follow.bind(journal);
    journal.follow = (from, follower) =>
      follow(
        from,
        passedOn(follower, (block) => {
          this.received.push(block);
          follower.onBlock(block);
        }),
      );
    const log = await openClusterLog({
      clock,
      random,
      logger,
      channelsMax: 1000,
      journal,
      fleet: fleets.connect(incarnation, this.isOld ? 1 : undefined, connection, process),
      incarnation,
      openView: () => {
        this.#world.takeBlocks(() => this.disk.dropBuild());
        return this.disk.openView();
      },
      wipeView: () => this.disk.wipeView(),
      snapshots: snapshots.of(this.disk, () => connection.isOpen),
      copies: this.disk.copies,
      snapshotBytes: SNAPSHOT_BYTES,
    });
    const records: StoredRecord[] = [];
    this.followed = { after: log.state.head, records };
    const hasReaders = (): boolean => !isCollecting(random.seed) || Math.floor(performance.now() / 700) % 2 === 0;
    log.followPacked((events) => void records.push(...events.unpack()), hasReaders);
    const store = await log.openIdentity(createMemoryIdentityStore(AUDIT_ENTRIES_MAX));
    const identity = openIdentity(store, SETTINGS, clock, logger);
    const { promise, resolve } = Promise.withResolvers<void>();
    const maintenance = setInterval(() => {
      identity.maintain();
      // A hub looks once a second whether it was cut off.
      void store.shared?.isCurrent;
    }, 1_000);
    log.onReset(() => {
      clearInterval(maintenance);
      resolve();
    });
    this.open = { log, identity, store };
    return promise;
  }
}

/**
 * Hubs of these seeds have readers only at times, and collect blocks at others. Those that have
 * found defects have other seeds, and stay the same.
 */
const isCollecting = (seed: number): boolean => [2, 3, 4, 8].includes(seed % 11);

/** What an older version does not know. */
const LATER_KINDS: ReadonlySet<string> = new Set(['identity', 'erase']);

/** An older version meets such commands as blocks that it does not know. */
class OldJournal extends SimulatedJournal {
  override follow(from: BlockAddress, follower: JournalFollower): void {
    const onBlock = (block: Block): void =>
      follower.onBlock(LATER_KINDS.has(block.kind) ? { ...block, kind: 'later' } : block);
    super.follow(from, passedOn(follower, onBlock));
  }
}

function passedOn(follower: JournalFollower, onBlock: (block: Block) => void): JournalFollower {
  return {
    appendMark: () => follower.appendMark(),
    onBlock,
    get whenReady() {
      return follower.whenReady;
    },
    get mayWait() {
      return follower.mayWait;
    },
    onRolledBack: () => follower.onRolledBack(),
    onTrimmedBeyond: () => follower.onTrimmedBeyond(),
  };
}
