import { PolycastError } from '@polycast/protocol';
import { setTimeout as delay } from 'node:timers/promises';
import type { Attempt, DeadLetter, DeadLettersQuery } from '../../../subscriptions/state/ports.ts';
import type {
  AttemptsQuery,
  ErasedAttempts,
  StoreChange,
  StoredSubscription,
  StoredSubscriptions,
  SubscriptionStore,
} from '../../../subscriptions/state/subscription-store.ts';
import type { LogView } from '../../view/log-view.ts';
import type { StoredChange } from '../../view/subscription-command.ts';
import { AttemptSampler } from '../../shared/attempt-sampler.ts';
import type { AttemptBounds } from '../../shared/attempt-bounds.ts';
import { PendingChanges, type CommitGroup } from '../../shared/pending-changes.ts';
import { StoredOpenEvents } from '../../shared/stored-open-events.ts';
import type { LeaseHolder } from './work-lease.ts';
import { RecentAttempts } from './recent-attempts.ts';

/** An enqueued change waits for others to share its block. Each block is a commit at all hubs. */
const COMMIT_INTERVAL_MS = 250;
const RETRY_INTERVAL_MS = 250;
/** Rows that may wait for the journal. Beyond it the store is overloaded. */
const PENDING_ROWS_MAX = 100_000;
const LOAD_PAGE_COUNT = 500;
/** The attempts of each owner have numbers of their own, which rise with the term. */
const ATTEMPTS_OF_TERM_MAX = 2 ** 32;
/** Bytes of a command beside its changes. */
const COMMAND_HEAD_BYTES = 256;

export interface ClusterStoreParts {
  readonly lease: Pick<LeaseHolder, 'change' | 'isWorking' | 'isFresh' | 'term' | 'release'>;
  readonly view: Pick<LogView, 'subscriptionState' | 'subscriptions' | 'deadLetters'>;
  /** Bytes that one command may have. */
  readonly commandBytesMax: number;
  readonly bounds: AttemptBounds;
}

/**
 * The subscriptions that all hubs of a cluster share. The hub that has the lease writes changes, as
 * commands in the journal, and every view applies them. Example: the owner acknowledges the
 * event 7; within 250 ms a block has the new position; the next owner goes on after 7.
 */
export class ClusterSubscriptionStore implements SubscriptionStore {
  readonly #parts: ClusterStoreParts;
  readonly #storedOpenEvents = new StoredOpenEvents();
  readonly #pending = new PendingChanges(this.#storedOpenEvents);
  readonly #sampler = new AttemptSampler(() => performance.now());
  readonly #attempts: RecentAttempts;
  /** Attempts of other subscriptions are not stored. */
  readonly #ids = new Set<string>();
  #loaded: StoredSubscriptions = { subscriptions: [], epoch: undefined, lastAttempt: 0, hasLostCommits: false };
  #unavailable: 'log_unavailable' | 'log_full' | undefined;
  #timer: NodeJS.Timeout | undefined;
  #committing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  readonly #stats = { commits: 0, commitMsSum: 0, changes: 0, failures: 0 };

  constructor(parts: ClusterStoreParts) {
    this.#parts = parts;
    this.#attempts = new RecentAttempts(parts.bounds);
  }

  get unavailable(): 'log_unavailable' | 'log_full' | undefined {
    return this.#unavailable;
  }

  /** An owner that may have lost its lease takes up no event. */
  get isOverloaded(): boolean {
    return this.#pending.size > PENDING_ROWS_MAX || !this.#parts.lease.isFresh;
  }

  /** Reads the view. This hub has the lease, so nobody else changes it. */
  async prepare(): Promise<void> {
    const { view, lease } = this.#parts;
    const { epoch } = await view.subscriptionState();
    const subscriptions: StoredSubscription[] = [];
    for (let after = '', isLast = false; !isLast;) {
      const page = await view.subscriptions(after, LOAD_PAGE_COUNT);
      subscriptions.push(...page);
      after = page.at(-1)?.definition.id ?? '';
      isLast = page.length < LOAD_PAGE_COUNT;
    }
    for (const { definition, open } of subscriptions) {
      this.#ids.add(definition.id);
      for (const { position } of open) this.#storedOpenEvents.add(definition.id, position);
    }
    this.#loaded = { subscriptions, epoch, lastAttempt: lease.term * ATTEMPTS_OF_TERM_MAX, hasLostCommits: false };
  }

  load(): StoredSubscriptions {
    const loaded = this.#loaded;
    this.#loaded = { ...loaded, subscriptions: [] };
    return loaded;
  }

  keepsAttempt(subscription: string, isDelivered: boolean): boolean {
    return this.#sampler.wouldKeep(subscription, isDelivered);
  }

  write(changes: readonly StoreChange[]): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    const written = this.#pending.write(changes.filter(isStored));
    void this.#commit();
    return written.then(() => this.#remember(changes, () => true));
  }

  enqueue(changes: readonly StoreChange[]): void {
    if (this.#closing !== undefined) return;
    this.#remember(changes, ({ subscription, outcome }) => this.#sampler.keep(subscription, outcome === 'delivered'));
    this.#pending.writeSoon(changes.filter(isStored), () => false);
    this.#commitIn(this.#unavailable === undefined ? COMMIT_INTERVAL_MS : RETRY_INTERVAL_MS);
  }

  async attempts(query: AttemptsQuery): Promise<readonly Attempt[]> {
    return this.#attempts.page(query);
  }

  async deadLetters(subscription: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    await this.#flush();
    return this.#parts.view.deadLetters(subscription, query);
  }

  async eraseAttempts(query: ErasedAttempts): Promise<void> {
    this.#attempts.erase(query);
  }

  metrics(): Readonly<Record<string, number>> {
    return { ...this.#stats, attempts: this.#attempts.count, waiting: this.#pending.size, lostCommits: 0 };
  }

  /** Writes the remaining changes, and gives the lease away. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { lease } = this.#parts;
    if (lease.isWorking) await this.#flush();
    clearTimeout(this.#timer);
    await lease.release();
  }

  /** Changes what is in memory alone: the attempts. */
  #remember(changes: readonly StoreChange[], keepsAttempt: (attempt: Attempt) => boolean): void {
    for (const change of changes) {
      if (change.kind === 'attempt') {
        const { attempt } = change;
        if (this.#ids.has(attempt.subscription) && keepsAttempt(attempt)) this.#attempts.add(attempt);
      } else if (change.kind === 'definition') this.#ids.add(change.definition.id);
      else if (change.kind === 'removed') {
        this.#ids.delete(change.subscription);
        this.#attempts.forget(change.subscription);
      }
    }
  }

  /** Writes all pending changes, if the journal accepts them. */
  async #flush(): Promise<void> {
    // The commit in flight does not include changes that arrived after its start.
    await this.#committing;
    if (!this.#pending.isEmpty) await this.#commit();
  }

  #commitIn(delayMs: number): void {
    if (this.#timer !== undefined || this.#committing !== undefined) return;
    this.#timer = setTimeout(() => void this.#commit(), delayMs);
  }

  /** Never rejects. */
  #commit(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#committing ??= this.#commitOnce().then(() => {
      this.#committing = undefined;
      if (this.#pending.isEmpty) return;
      if (this.#pending.isAwaited) void this.#commit();
      else this.#commitIn(this.#unavailable === undefined ? COMMIT_INTERVAL_MS : RETRY_INTERVAL_MS);
    });
    return this.#committing;
  }

  async #commitOnce(): Promise<void> {
    // Writes of one turn share a block.
    await undefined;
    const group = this.#pending.take();
    const changes = group.changes as readonly StoredChange[];
    if (changes.length === 0) return group.settle();
    const startMs = performance.now();
    try {
      const parts = partsOf(changes, this.#parts.commandBytesMax - COMMAND_HEAD_BYTES);
      for (const [index, part] of parts.entries()) await this.#write(part, index > 0);
    } catch (error) {
      return this.#onFailed(group, error);
    }
    this.#unavailable = undefined;
    this.#stats.commits++;
    this.#stats.commitMsSum += performance.now() - startMs;
    this.#stats.changes += changes.length;
    group.settle();
  }

  /**
   * A command without an outcome is written again: what it did is not done twice. A group whose
   * first command is in the journal cannot fail any more. Its others are written again until they
   * are in it, or another hub has the lease.
   */
  async #write(changes: readonly StoredChange[], isBegun: boolean): Promise<void> {
    for (;;) {
      try {
        return await this.#parts.lease.change(changes);
      } catch (error) {
        const isUnknown = error instanceof PolycastError && error.code === 'outcome_unknown';
        const isOut = !this.#parts.lease.isWorking || this.#closing !== undefined;
        if (isOut || !(isUnknown || isBegun)) throw error;
        if (!isUnknown) this.#unavailable = unavailableCode(error);
        await delay(RETRY_INTERVAL_MS);
      }
    }
  }

  #onFailed(group: CommitGroup, error: unknown): void {
    this.#unavailable = unavailableCode(error);
    this.#stats.failures++;
    group.fail(error);
  }
}

function unavailableCode(error: unknown): 'log_full' | 'log_unavailable' {
  return error instanceof PolycastError && error.code === 'log_full' ? 'log_full' : 'log_unavailable';
}

/** Attempts are in memory only. */
function isStored({ kind }: StoreChange): boolean {
  return kind !== 'attempt';
}

/**
 * Changes that fit into one command each, in their order. The changes of one subscription stay
 * together unless they are larger: its definition and its status come first.
 */
function partsOf(changes: readonly StoredChange[], bytesMax: number): readonly (readonly StoredChange[])[] {
  const parts: StoredChange[][] = [[]];
  let partBytes = 0;
  for (const group of bySubscription(changes)) {
    const sizes = group.map((change) => Buffer.byteLength(JSON.stringify(change)) + 1);
    const groupBytes = sizes.reduce((sum, bytes) => sum + bytes, 0);
    if (partBytes > 0 && partBytes + groupBytes > bytesMax) {
      parts.push([]);
      partBytes = 0;
    }
    for (const [index, change] of group.entries()) {
      const bytes = sizes[index] as number;
      if (partBytes > 0 && partBytes + bytes > bytesMax) {
        parts.push([]);
        partBytes = 0;
      }
      (parts.at(-1) as StoredChange[]).push(change);
      partBytes += bytes;
    }
  }
  return parts;
}

function bySubscription(changes: readonly StoredChange[]): readonly (readonly StoredChange[])[] {
  const groups: StoredChange[][] = [];
  let last: string | undefined;
  for (const change of changes) {
    const subscription = subscriptionOf(change);
    if (groups.length === 0 || subscription !== last) groups.push([]);
    (groups.at(-1) as StoredChange[]).push(change);
    last = subscription;
  }
  return groups;
}

function subscriptionOf(change: StoredChange): string {
  if (change.kind === 'epoch') return '';
  if (change.kind === 'definition') return change.definition.id;
  return change.kind === 'dead_letter' ? change.deadLetter.subscription : change.subscription;
}

function closedError(): PolycastError {
  return new PolycastError('log_unavailable', 'The hub is closing.');
}
