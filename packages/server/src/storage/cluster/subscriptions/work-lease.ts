import { PolycastError } from '@polycast/protocol';
import type { StorageLogger } from '../../home.ts';
import type { BlockEffect, ViewSubscriptionState } from '../../view/log-view.ts';
import {
  encodeSubscriptionCommand,
  type LeaseAction,
  type StoredChange,
  type SubscriptionCommand,
} from '../../view/subscription-command.ts';
import { NO_LEASE, type SubscriptionEffect, type SubscriptionLease } from '../../view/subscription-state.ts';
import { refusalOfOlderHub, SHARED_SUBSCRIPTIONS_LEVEL, type Fleet } from '../fleet.ts';

// Which hub of a cluster delivers webhooks and leases pulls: one hub for all subscriptions, the
// owner of the lease. This is the side of one hub. `view/subscription-state.ts` has the rule.

/** The owner writes a command in this time at least. */
const RENEW_INTERVAL_MS = 1_000;
const CHALLENGE_INTERVAL_MS = 800;
/** A hub that has not heard the owner for this long begins to challenge it. */
const SILENCE_MS = 1_500;
/**
 * An owner begins no request this long after it sent the last command that came back. Other hubs
 * count its silence from when they applied that command, which is later. One of them has the lease
 * after `SILENCE_MS` and four more challenges at the earliest, which is 4.7 s.
 */
const FRESH_MS = 3_500;
const TICK_MS = 100;

/** The work of the hub that has the lease. */
export interface LeaseWork {
  /** Reads what the hub before has written. */
  prepare(): Promise<void>;
  begin(): void;
}

/** The journal, as the lease uses it. */
export interface LeaseJournal {
  readonly fleet: Pick<Fleet, 'self' | 'hubs'>;
  readonly logger: StorageLogger;
  /** Whether commands can be written. */
  readonly isAvailable: boolean;
  /** Appends a command, and resolves with what this hub's view says of it. */
  command(data: Uint8Array): Promise<BlockEffect>;
  loadState(): Promise<ViewSubscriptionState>;
  /** Another hub has the lease that this one worked with. */
  onDeposed(): void;
}

/**
 * This hub's side of the lease on subscriptions (`storage/view/subscription-state.ts`). The hub
 * that has it works on all subscriptions. Every command of the owner renews it. The time between
 * commands is each hub's own; the order of commands in the journal alone decides who has the lease.
 *
 * Example: the brokers elect a leader for 8 s. No hub can write a challenge meanwhile, so no owner
 * loses its lease, and the owner begins no request after 3.5 s.
 */
export class LeaseHolder {
  readonly #journal: LeaseJournal;
  #lease: SubscriptionLease = NO_LEASE;
  /** When a command of the owner was applied. */
  #heardMs = performance.now();
  /** When this hub sent the newest command that was applied as the owner's. */
  #renewedMs = -Infinity;
  #sentMs = -Infinity;
  /** The step that has no outcome yet. */
  #sending: Promise<unknown> | undefined;
  /** The term that this hub works in. 0: it never had the lease. */
  #term = 0;
  #isWorking = false;
  #isWithdrawn = false;
  #hasEnded = false;
  #work: LeaseWork | undefined;
  readonly #onChanged = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(journal: LeaseJournal) {
    this.#journal = journal;
  }

  async open(): Promise<void> {
    await this.#reload();
  }

  /** Takes part from now on. The work begins once, when this hub has the lease. */
  start(work: LeaseWork): void {
    this.#work = work;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
    this.#tick();
    this.#beginIfOwner();
  }

  /** The hub that has the lease. Empty: none. */
  get owner(): string {
    return this.#lease.owner;
  }

  get term(): number {
    return this.#lease.term;
  }

  /** Whether this hub has the lease, and its work has begun. */
  get isWorking(): boolean {
    return this.#isWorking && !this.#hasEnded;
  }

  /** Whether this hub can be sure that no other one works. */
  get isFresh(): boolean {
    return performance.now() - this.#renewedMs < FRESH_MS;
  }

  /**
   * Why no hub can have the lease: a hub of an earlier version runs,
   * which would stop at its commands. Once a hub has had the lease, such a hub has stopped.
   * This hub may have heard it a moment before its upgrade.
   */
  get refusal(): PolycastError | undefined {
    if (this.#lease.term > 0) return undefined;
    return refusalOfOlderHub(this.#journal.fleet, SHARED_SUBSCRIPTIONS_LEVEL, 'subscriptions');
  }

  /** Resolves when the lease or the work of this hub changes, or after the time. */
  async changed(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#onChanged.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#onChanged.delete(resolve);
  }

  /** The view has applied a command. */
  onApplied(effect: SubscriptionEffect): void {
    const { lease, hub, isRefused } = effect;
    if (!isRefused && hub === lease.owner) this.#heardMs = performance.now();
    this.#setLease(lease);
  }

  /** The view has applied a command, and its outcome is not known. */
  onOutcomeLost(): void {
    void this.#reload().catch((error: unknown) =>
      this.#journal.logger.error({ error: String(error) }, 'cluster: the lease on subscriptions cannot be read'),
    );
  }

  /**
   * Writes changes as the owner.
   * @throws PolycastError `log_unavailable`, `log_full`, `outcome_unknown`: they may be written
   */
  async change(changes: readonly StoredChange[]): Promise<void> {
    const effect = await this.#send({ hub: this.#self, term: this.#term, action: 'change', changes });
    if (effect.isRefused) throw new PolycastError('log_unavailable', 'Another hub works on subscriptions now.');
  }

  /**
   * The hub is leaving: it begins no work.
   * What it has of the lease and of work stays until `release`.
   */
  withdraw(): void {
    this.#isWithdrawn = true;
  }

  /** Takes no part any more. An owner gives the lease away, so that another hub has it at once. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    const wasDeposed = this.#hasEnded;
    this.#hasEnded = true;
    // A step on its way may take the lease.
    if (!this.#isOwner && this.#sending !== undefined)
      await Promise.race([this.#sending.catch(() => undefined), this.changed(RENEW_INTERVAL_MS)]);
    if (!wasDeposed && this.#isOwner && this.#journal.isAvailable)
      await this.#step('release').catch((error: unknown) =>
        this.#journal.logger.warn({ error: String(error) }, 'cluster: the lease on subscriptions cannot be given away'),
      );
    this.#notify();
  }

  get #self(): string {
    return this.#journal.fleet.self;
  }

  get #isOwner(): boolean {
    return this.#lease.owner === this.#self;
  }

  #tick(): void {
    if (this.#hasEnded || this.#sending !== undefined || !this.#journal.isAvailable) return;
    const action = this.#dueAction(performance.now());
    if (action === undefined || (action !== 'renew' && this.refusal !== undefined)) return;
    // Without an answer, the next step tries again.
    this.#step(action).catch(() => undefined);
  }

  #dueAction(nowMs: number): LeaseAction | undefined {
    const sinceSentMs = nowMs - this.#sentMs;
    if (this.#isOwner) return sinceSentMs >= RENEW_INTERVAL_MS ? 'renew' : undefined;
    if (this.#isWithdrawn) return undefined;
    if (this.owner === '') return 'take';
    const isSilent = nowMs - this.#heardMs >= SILENCE_MS;
    return isSilent && sinceSentMs >= CHALLENGE_INTERVAL_MS ? 'challenge' : undefined;
  }

  async #step(action: LeaseAction): Promise<void> {
    const sending = this.#send({ hub: this.#self, term: this.#lease.term, action });
    this.#sending = sending;
    try {
      await sending;
    } finally {
      this.#sending = undefined;
    }
  }

  async #send(command: SubscriptionCommand): Promise<SubscriptionEffect> {
    const sentMs = performance.now();
    this.#sentMs = sentMs;
    const outcome = await this.#journal.command(encodeSubscriptionCommand(command));
    if (outcome.kind !== 'subscriptions') throw new PolycastError('outcome_unknown', undefined, { retryAfterMs: 1000 });
    const isRenewed = !outcome.isRefused && outcome.lease.owner === this.#self;
    if (isRenewed) this.#renewedMs = Math.max(this.#renewedMs, sentMs);
    return outcome;
  }

  async #reload(): Promise<void> {
    const { lease } = await this.#journal.loadState();
    // What was applied meanwhile is newer.
    if (lease.term >= this.#lease.term) this.#setLease(lease);
  }

  #setLease(lease: SubscriptionLease): void {
    const before = this.#lease;
    if (before.owner === lease.owner && before.term === lease.term) return;
    this.#lease = lease;
    this.#heardMs = performance.now();
    if (this.#term > 0 && !this.#hasEnded && (lease.owner !== this.#self || lease.term !== this.#term)) {
      this.#hasEnded = true;
      clearInterval(this.#timer);
      this.#journal.onDeposed();
    }
    this.#notify();
    this.#beginIfOwner();
    // A lease without an owner is taken at once.
    if (lease.owner === '' && this.#work !== undefined) this.#tick();
  }

  #beginIfOwner(): void {
    const isOut = this.#hasEnded || this.#isWithdrawn;
    if (!this.#isOwner || this.#work === undefined || this.#term > 0 || isOut) return;
    this.#term = this.#lease.term;
    void this.#beginWork(this.#work);
  }

  async #beginWork({ prepare, begin }: LeaseWork): Promise<void> {
    const { logger } = this.#journal;
    try {
      await prepare();
      // The hub may have left meanwhile, or was deposed.
      if (this.#hasEnded || this.#isWithdrawn) return;
      begin();
    } catch (error) {
      if (this.#hasEnded || this.#isWithdrawn) return;
      logger.error({ error: String(error) }, 'cluster: subscriptions cannot be read, this hub opens again');
      this.#hasEnded = true;
      this.#journal.onDeposed();
      return;
    }
    logger.info({ term: this.#term }, 'cluster: this hub works on subscriptions now');
    this.#isWorking = true;
    this.#notify();
  }

  #notify(): void {
    const waiting = [...this.#onChanged];
    this.#onChanged.clear();
    for (const resolve of waiting) resolve();
  }
}
