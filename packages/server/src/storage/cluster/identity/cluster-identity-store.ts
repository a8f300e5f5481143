import { PolycastError } from '@polycast/protocol';
import type {
  AuditEntry,
  CommandRefusal,
  IdentityChange,
  IdentityFollower,
  IdentityHearing,
  IdentityStore,
  SharedIdentity,
  StoredIdentity,
} from '../../../core/access/identity-store.ts';
import type { Block } from '../../view/block.ts';
import {
  decodeIdentityCommand,
  encodeIdentityCommand,
  laterChanges,
  type IdentityCommand,
} from '../../view/identity-command.ts';
import { touchedKeys, type ViewIdentity } from '../../view/identity-state.ts';
import type { BlockEffect } from '../../view/log-view.ts';
import { changeFromJson } from '../../shared/identity-json.ts';
import {
  refusalOfOlderHub,
  SHARED_ERASURE_LEVEL,
  SHARED_IDENTITY_LEVEL,
  SHARED_LOGINS_LEVEL,
  type Fleet,
} from '../fleet.ts';
import type { StorageLogger } from '../../home.ts';
import { UrgentChanges } from './urgent-changes.ts';
import { WriteQueue } from './write-queue.ts';

/** The journal, as identity uses it. */
export interface IdentityJournal {
  /** Bytes that one command may have. */
  readonly commandBytesMax: number;
  readonly fleet: Pick<Fleet, 'hubs' | 'broadcast' | 'onBroadcast'>;
  readonly logger: StorageLogger;
  /** Whether this hub hears of changes. */
  readonly isHearing: boolean;
  /** Whether this hub does the work that one hub does for all. */
  readonly isTrimmer: boolean;
  /** Appends a command, and resolves with what this hub's view says of it. */
  command(data: Uint8Array): Promise<BlockEffect>;
  reach(): Promise<void>;
  load(): Promise<ViewIdentity>;
  auditPage(before: number, limit: number): Promise<readonly AuditEntry[]>;
}

/** The level of hubs that a command needs, and what hubs below it do not share. */
const NEEDED = {
  keys: { level: SHARED_IDENTITY_LEVEL, shared: 'keys and revocations' },
  logins: { level: SHARED_LOGINS_LEVEL, shared: 'console logins and portal links' },
  erasures: { level: SHARED_ERASURE_LEVEL, shared: 'erasures' },
} as const;

/** An identity command that the view has applied. */
interface AppliedCommand {
  readonly sequence: number;
  readonly command: IdentityCommand;
  readonly isOwn: boolean;
}

/**
 * The identity that all hubs of a cluster share: keys, revocations and the audit log. Every change
 * is a command in the journal, and each view applies it in order. What is in memory follows the
 * view of this hub. Example: hub A creates a key; the block 7 has it; hub B knows it when it
 * has applied 7.
 *
 * A revocation is in force before that: at this hub at once,
 * and at the others when they receive its broadcast.
 *
 * The file of one hub serves once: its keys become those of the cluster,
 * if the cluster never had any.
 */
export class ClusterIdentityStore implements IdentityStore {
  readonly shared: SharedIdentity;
  readonly hearing: IdentityHearing;
  readonly #journal: IdentityJournal;
  readonly #local: IdentityStore;
  readonly #ownIdentity: StoredIdentity;
  readonly #urgent = new UrgentChanges();
  readonly #writes: WriteQueue;
  readonly #versions = new Map<string, number>();
  #initial: StoredIdentity;
  #hasEverHadKeys = false;
  /** Commands that were applied while the view is read. */
  #arrived: AppliedCommand[] | undefined = [];
  #listener: IdentityFollower | undefined;
  /** What came before the listener. */
  #early: ((listener: IdentityFollower) => void)[] = [];
  #isAdopting = false;
  #hasAdoptionFailed = false;
  /** What is in memory may differ from the view. */
  #isStale = false;
  #isRefreshing = false;

  constructor(journal: IdentityJournal, local: IdentityStore) {
    this.#journal = journal;
    this.#local = local;
    this.#ownIdentity = local.load();
    this.#initial = this.#ownIdentity;
    this.#writes = new WriteQueue((changes) => this.#append(changes), journal.logger);
    journal.fleet.onBroadcast((text) => this.#hear(text));
    const isStale = (): boolean => this.#isStale;
    this.shared = {
      commit: (changes, conditions) => this.#command(encodeIdentityCommand(changes, conditions)),
      versionOf: (key) => this.#versions.get(key) ?? 0,
      reach: () => journal.reach(),
      auditPage: (before, limit) => journal.auditPage(before, limit),
      get isCurrent() {
        return journal.isHearing && !isStale();
      },
    };
    this.hearing = this.shared;
  }

  /** Reads the view. If the cluster never had a key, it gets those of this hub. */
  async open(): Promise<void> {
    let identity = await this.#load();
    if (!identity.hasEverHadKeys && this.#ownIdentity.keys.length > 0) {
      await this.#adopt();
      identity = await this.#load();
    }
    // While an older hub runs, nothing can be shared. This hub then knows its own keys, as before.
    const keys = identity.hasEverHadKeys ? identity.keys.map(({ key }) => key) : this.#ownIdentity.keys;
    const hasEverHadKeys = identity.hasEverHadKeys || this.#ownIdentity.hasEverHadKeys;
    const { sequence: _, ...shared } = identity;
    this.#initial = { ...this.#ownIdentity, ...shared, keys, hasEverHadKeys };
  }

  load(): StoredIdentity {
    return this.#initial;
  }

  follow(listener: IdentityFollower): void {
    this.#listener = listener;
    for (const deliver of this.#early.splice(0)) deliver(listener);
  }

  /** The view has applied a block of the kind `identity`. */
  onApplied({ sequence, data }: Block, outcome: BlockEffect, isOwn: boolean): void {
    if (outcome.kind !== 'identity' || outcome.refusal !== undefined) return;
    const applied = { sequence, command: decodeIdentityCommand(data), isOwn };
    if (this.#arrived === undefined) this.#take(applied);
    else this.#arrived.push(applied);
  }

  /** The view has applied such a block, and its outcome is not known. */
  onOutcomeLost(): void {
    this.#isStale = true;
    void this.#refresh();
  }

  /** What each hub does by itself at intervals. Keys change by `commit` alone. */
  write(changes: readonly IdentityChange[]): void {
    const { isTrimmer } = this.#journal;
    const shared = changes.filter(({ kind }) => kind === 'key_used' || (kind === 'revocations_pruned' && isTrimmer));
    if (shared.length > 0) this.#writes.add(() => shared, false).catch(() => undefined);
  }

  writeSoon(changes: () => readonly IdentityChange[]): Promise<void> {
    return this.#writes.add(changes, false);
  }

  writeInForce(changes: () => readonly IdentityChange[], onStored?: () => void): Promise<void> {
    const text = this.#urgent.toBroadcast(changes());
    if (text !== undefined) this.#journal.fleet.broadcast(text);
    return this.#writes.add(changes, true, onStored);
  }

  retryWrites(): Promise<void> {
    return this.#writes.retry();
  }

  async whenWritable(): Promise<void> {
    // No lock is in the way of a command.
  }

  async whenDurable(): Promise<void> {
    // A command is durable when it has its outcome.
  }

  maintain(writes: () => void): void {
    writes();
    if (this.#isStale) void this.#refresh();
    if (!this.#hasEverHadKeys && !this.#isAdopting && this.#ownIdentity.keys.length > 0) void this.#adopt();
    void this.#writes.retry().catch(() => undefined);
    // The hub that sent a revocation may have ended before it was durable.
    const heard = this.#urgent.takeOverdue();
    if (heard.length > 0) this.#writes.add(() => heard, true).catch(() => undefined);
  }

  /** The audit log of the cluster is read by `shared.auditPage`. */
  auditPage(): readonly AuditEntry[] {
    return [];
  }

  close(): void {
    this.#local.close();
  }

  async #append(changes: readonly IdentityChange[]): Promise<void> {
    for (const data of this.#parts(changes)) await this.#command(data);
  }

  /** A command has its limit. Changes without conditions may be in several. */
  #parts(changes: readonly IdentityChange[]): readonly Uint8Array[] {
    const data = encodeIdentityCommand(changes);
    if (data.byteLength <= this.#journal.commandBytesMax || changes.length === 1) return [data];
    const middle = Math.ceil(changes.length / 2);
    return [...this.#parts(changes.slice(0, middle)), ...this.#parts(changes.slice(middle))];
  }

  async #command(data: Uint8Array): Promise<CommandRefusal | undefined> {
    // An older hub would stop at the command.
    const { level, shared } = NEEDED[laterChanges(data) ?? 'keys'];
    const refusal = refusalOfOlderHub(this.#journal.fleet, level, shared);
    if (refusal !== undefined) throw refusal;
    const outcome = await this.#journal.command(data);
    if (outcome.kind !== 'identity') throw new PolycastError('outcome_unknown', undefined, { retryAfterMs: 1000 });
    return outcome.refusal;
  }

  /** Reads the view. What it applies meanwhile is taken after it. */
  async #load(): Promise<ViewIdentity> {
    this.#arrived ??= [];
    const identity = await this.#journal.load();
    const arrived = this.#arrived ?? [];
    this.#arrived = undefined;
    this.#hasEverHadKeys = identity.hasEverHadKeys;
    this.#versions.clear();
    for (const { key, version } of identity.keys) this.#versions.set(key.id, version);
    for (const applied of arrived) if (applied.sequence > identity.sequence) this.#take(applied);
    return identity;
  }

  async #refresh(): Promise<void> {
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    try {
      while (this.#isStale) {
        this.#isStale = false;
        const { keys: stored, ...identity } = await this.#load();
        const keys = stored.map(({ key }) => key).filter(({ id }) => !this.#urgent.isRemoved(id));
        this.#deliver((listener) => listener.replaced({ ...identity, keys }));
      }
    } catch (error) {
      this.#isStale = true;
      this.#journal.logger.error({ error: String(error) }, 'cluster: keys and revocations cannot be read, retrying');
    } finally {
      this.#isRefreshing = false;
    }
  }

  #take({ sequence, command, isOwn }: AppliedCommand): void {
    for (const id of touchedKeys(command)) this.#versions.set(id, sequence);
    const changes = this.#urgent.applied(command.changes.map(changeFromJson), isOwn);
    for (const change of changes) {
      if (change.kind === 'key') this.#hasEverHadKeys = true;
      else if (change.kind === 'key_removed') this.#versions.delete(change.id);
    }
    if (command.conditions?.isFirst !== true) return this.#deliver((listener) => listener.changed(changes));
    // Hubs that had keys of their own go on with those of the cluster.
    const keys = changes.flatMap((change) => (change.kind === 'key' ? [change.key] : []));
    const revocations = changes.flatMap((change) => (change.kind === 'revocation' ? [change.revocation] : []));
    this.#deliver((listener) => listener.replaced({ keys, revocations }));
  }

  /** Another hub broadcasts a revocation before it is durable. */
  #hear(text: string): void {
    const changes = this.#urgent.fromBroadcast(text);
    if (changes.length > 0) this.#deliver((listener) => listener.changed(changes));
  }

  #deliver(deliver: (listener: IdentityFollower) => void): void {
    if (this.#listener === undefined) this.#early.push(deliver);
    else deliver(this.#listener);
  }

  /** Makes the keys of this hub's own file those of the cluster, if the cluster never had any. */
  async #adopt(): Promise<void> {
    const { keys, revocations } = this.#ownIdentity;
    const { logger } = this.#journal;
    this.#isAdopting = true;
    try {
      const refusal = await this.shared.commit(
        [
          ...keys.map((key): IdentityChange => ({ kind: 'key', key })),
          ...revocations.map((revocation): IdentityChange => ({ kind: 'revocation', revocation })),
        ],
        { isFirst: true },
      );
      if (refusal === undefined)
        logger.info({ keys: keys.length }, 'cluster: the keys of this hub are those of the cluster now');
    } catch (error) {
      if (!this.#hasAdoptionFailed)
        logger.warn({ error: String(error) }, 'cluster: the keys of this hub are not shared yet, retrying');
      this.#hasAdoptionFailed = true;
    } finally {
      this.#isAdopting = false;
    }
  }
}
