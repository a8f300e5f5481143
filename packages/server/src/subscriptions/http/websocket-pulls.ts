import { formatTime, parseCursor, PolycastError } from '@polycast/protocol';
import type { AuthParts } from '../../auth/auth-parts.ts';
import { authorize, checkScope, checkCredentials } from '../../auth/permission.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Feed } from '../../core/feed.ts';
import { invalidMessage } from '../../http/refusals.ts';
import { toPolycastError } from '../../http/respond.ts';
import type { TransportStats } from '../../streams/stream-parts.ts';
import type { PullingSession, PullOperation, PullResult, SocketPulls } from '../../streams/socket-pulls.ts';
import type { Subscription, SubscriptionReads } from '../state/ports.ts';
import type { PullOptions, PullService } from '../state/pull-service.ts';
import { noSuchSubscription } from '../state/refusals.ts';
import type { SubscriptionSettings } from '../settings.ts';
import { LEASE_LENGTH_MAX, LEASES_MAX, leasedEventFrames, leaseOf, leaseResults } from './leased-events-json.ts';

/** Subscriptions that one connection may pull from. */
const PULLS_MAX = 16;
const CREDIT_MAX = 1000;
/**
 * The bodies of the events of one write, in bytes. The next write waits until the socket has taken
 * this one.
 */
const WRITE_BYTES_MAX = 256 * 1024;

/** The parts of the pulls of all sessions. */
export interface WebSocketPullParts {
  readonly auth: AuthParts;
  readonly feed: Feed;
  readonly stats: TransportStats;
  readonly subscriptions: Pick<SubscriptionReads, 'get'>;
  readonly pullService: PullService;
  readonly settings: Pick<SubscriptionSettings, 'leaseMaxSeconds'>;
}

/**
 * The pull subscriptions of one WebSocket session (PROTOCOL.md section 14.6). Credit is the number
 * of events that the client still accepts. Example: with a credit of 10 the hub sends up to 10
 * events as they arrive.
 */
export class WebSocketPulls implements SocketPulls {
  readonly #parts: WebSocketPullParts;
  readonly #session: PullingSession;
  readonly #pulls = new Map<string, PullSubscription>();
  #isClosed = false;

  constructor(parts: WebSocketPullParts, session: PullingSession) {
    this.#parts = parts;
    this.#session = session;
  }

  /** Whether the session pulls from a subscription. */
  get isPulling(): boolean {
    return this.#pulls.size > 0;
  }

  /** @throws PolycastError */
  async run(operation: PullOperation): Promise<PullResult> {
    await this.#untilKnown();
    const subscription = this.#visibleSubscription(operation.members['subscription']);
    switch (operation.op) {
      case 'pull':
        return this.#pull(subscription, operation);
      case 'credit':
        return this.#credit(subscription, operation);
      case 'ack':
        return this.#acknowledge(subscription, operation);
      case 'nack':
        return this.#release(subscription, operation);
      case 'extend':
        return this.#extend(subscription, operation);
    }
  }

  /**
   * The principal has changed. Each pull that is no longer allowed ends, and the client is
   * informed.
   */
  async recheckAccess(): Promise<void> {
    await Promise.all([...this.#pulls.values()].map((pull) => this.#isStillAllowed(pull)));
  }

  /** Ends all pulls. */
  close(): void {
    this.#isClosed = true;
    for (const pull of this.#pulls.values()) this.#remove(pull);
  }

  get #pullService(): PullService {
    return this.#parts.pullService;
  }

  async #pull(subscription: Subscription, { members }: PullOperation): Promise<PullResult> {
    const credit = integerMember(members, 'credit', 0, CREDIT_MAX);
    const leaseSeconds = this.#leaseSeconds(members);
    const { definition, status } = subscription;
    await authorize(this.#parts.auth, this.#session.principal, 'subscribe', definition.channels);
    checkCredentials(this.#parts.auth, this.#session.principal);
    if (this.#isClosed) throw new PolycastError('log_unavailable', 'The session has ended.');
    if (definition.delivery.kind !== 'pull' || status.state !== 'active')
      throw new PolycastError('subscription_not_active', undefined, { state: status.state });
    const { id, version } = definition;
    let existing = this.#pulls.get(id);
    if (existing !== undefined && (credit === 0 || existing.closedBy !== undefined)) {
      this.#remove(existing);
      existing = undefined;
    }
    if (credit === 0) return { credit };
    if (existing === undefined && this.#pulls.size >= PULLS_MAX)
      throw invalidMessage('subscription', `exceeds the ${PULLS_MAX} subscriptions that a connection may pull from`);
    const pull = existing ?? this.#open(id, version);
    pull.credit = credit;
    pull.leaseMs = leaseSeconds === undefined ? undefined : leaseSeconds * 1000;
    pull.version = version;
    this.#deliverSoon(pull);
    return { credit };
  }

  /**
   * Starts a pull. The watch reports the end of the subscription even without credit: a client
   * without credit waits for no event, and would not notice otherwise.
   */
  #open(id: string, version: number): PullSubscription {
    const pull = new PullSubscription(id, version);
    pull.unwatch = this.#pullService.watch(id, (error) => {
      pull.closedBy = error;
      // Events in flight are sent first.
      if (!pull.isRunning) this.#closePull(pull, error);
    });
    this.#pulls.set(id, pull);
    return pull;
  }

  async #credit({ definition }: Subscription, { members }: PullOperation): Promise<PullResult> {
    return { credit: this.#addCredit(definition.id, integerMember(members, 'credit', 1, CREDIT_MAX)) };
  }

  async #acknowledge({ definition }: Subscription, { members }: PullOperation): Promise<PullResult> {
    const { through } = members;
    const credit = this.#creditToAdd(members);
    if ((members['leases'] === undefined) === (through === undefined))
      throw invalidMessage('leases', 'or "through" is required, and not both');
    if (through === undefined) {
      const leases = leasesMember(members);
      return {
        ...leaseResults(leases, this.#pullService.acknowledge(definition.id, leases)),
        ...this.#creditResult(definition.id, credit),
      };
    }
    const cursor = typeof through === 'string' ? parseCursor(through) : undefined;
    if (cursor?.epoch !== this.#parts.feed.epoch) throw invalidMessage('through', "must be an event's id");
    const count = this.#pullService.acknowledgeThrough(definition.id, cursor.position);
    return { count, notHeld: [], ...this.#creditResult(definition.id, credit) };
  }

  async #release({ definition }: Subscription, { members }: PullOperation): Promise<PullResult> {
    const leases = leasesMember(members);
    const credit = this.#creditToAdd(members);
    const delaySeconds =
      members['delaySeconds'] === undefined ? 0 : integerMember(members, 'delaySeconds', 0, this.#leaseSecondsMax);
    const outcomes = this.#pullService.release(definition.id, leases, delaySeconds * 1000);
    return { ...leaseResults(leases, outcomes), ...this.#creditResult(definition.id, credit) };
  }

  async #extend({ definition }: Subscription, { members }: PullOperation): Promise<PullResult> {
    const leases = leasesMember(members);
    const leaseSeconds = this.#leaseSeconds(members);
    const { delivery } = definition;
    const defaultMs = delivery.kind === 'pull' ? delivery.leaseMs : 0;
    const leaseMs = leaseSeconds === undefined ? defaultMs : leaseSeconds * 1000;
    const outcomes = this.#pullService.extend(definition.id, leases, leaseMs);
    return { ...leaseResults(leases, outcomes), leaseEnds: formatTime(this.#parts.auth.clock.nowMs() + leaseMs) };
  }

  #creditToAdd(members: PullOperation['members']): number | undefined {
    return members['credit'] === undefined ? undefined : integerMember(members, 'credit', 1, CREDIT_MAX);
  }

  #creditResult(subscription: string, credit: number | undefined): PullResult {
    return credit === undefined ? {} : { credit: this.#addCredit(subscription, credit) };
  }

  #addCredit(subscription: string, credit: number): number {
    const pull = this.#pulls.get(subscription);
    // The pull has ended or was never started, so there is nothing to spend the credit on.
    if (pull === undefined) return 0;
    pull.credit = Math.min(CREDIT_MAX, pull.credit + credit);
    this.#deliverSoon(pull);
    return pull.credit;
  }

  #deliverSoon(pull: PullSubscription): void {
    if (pull.isRunning) return;
    pull.isRunning = true;
    // The answer is sent first. Credit that arrives in one turn is spent in one write.
    setImmediate(() =>
      this.#deliver(pull).then(
        () => pull.closedBy && this.#closePull(pull, pull.closedBy),
        (error: unknown) => this.#closePull(pull, toPolycastError(error)),
      ),
    );
  }

  /** Sends events while there is credit, no faster than the socket takes them. */
  async #deliver(pull: PullSubscription): Promise<void> {
    const { id, cancellation: calling } = pull;
    try {
      while (pull.credit > 0 && pull.closedBy === undefined && !calling.signal.aborted) {
        const events = await this.#pullService.pull(id, pull, calling.signal);
        if (events.length === 0) return;
        const isOpen = (): boolean => this.#session.phase === 'open' && !calling.signal.aborted;
        const isAllowed = isOpen() && (await this.#isStillAllowed(pull)) && isOpen();
        if (!isAllowed) return this.#pullService.returnUndelivered(id, events.map(leaseOf));
        pull.credit -= Math.min(pull.credit, events.length);
        this.#parts.stats.deliveries.websocket += events.length;
        await this.#session.sendAndWait(leasedEventFrames(this.#parts.feed.epoch, id, events));
      }
    } finally {
      // In the same turn as the end: credit that arrives later starts a new run.
      pull.isRunning = false;
    }
  }

  /** The session may change its key again during a wait. @throws PolycastError `log_unavailable` */
  async #untilKnown(): Promise<void> {
    let known = this.#session.whenKnown?.();
    while (known !== undefined) {
      await known;
      known = this.#session.whenKnown?.();
    }
  }

  /**
   * Whether the session may still pull. It checks again if the subscription or the principal has
   * changed, and ends the pull on a refusal.
   */
  async #isStillAllowed(pull: PullSubscription): Promise<boolean> {
    try {
      await this.#untilKnown();
      const { definition } = this.#visibleSubscription(pull.id);
      const { principal } = this.#session;
      checkCredentials(this.#parts.auth, principal);
      if (pull.version === definition.version && pull.principal === principal) return true;
      await authorize(this.#parts.auth, principal, 'subscribe', definition.channels);
      checkCredentials(this.#parts.auth, principal);
      pull.version = definition.version;
      pull.principal = principal;
      return true;
    } catch (error) {
      this.#closePull(pull, toPolycastError(error));
      return false;
    }
  }

  #closePull(pull: PullSubscription, { code }: PolycastError): void {
    if (this.#remove(pull)) this.#session.respond({ op: 'pulled', subscription: pull.id, code });
  }

  /** Removes a pull; returns whether it was active. */
  #remove(pull: PullSubscription): boolean {
    pull.cancellation.abort();
    pull.unwatch();
    return this.#pulls.get(pull.id) === pull && this.#pulls.delete(pull.id);
  }

  get #leaseSecondsMax(): number {
    return this.#parts.settings.leaseMaxSeconds;
  }

  #leaseSeconds(members: PullOperation['members']): number | undefined {
    return members['leaseSeconds'] === undefined
      ? undefined
      : integerMember(members, 'leaseSeconds', 1, this.#leaseSecondsMax);
  }

  /**
   * The subscription of this id, if the session may see it.
   * @throws PolycastError `forbidden`, `not_found`, …
   */
  #visibleSubscription(id: unknown): Subscription {
    if (typeof id !== 'string') throw invalidMessage('subscription', "must be a subscription's id");
    const { auth, subscriptions } = this.#parts;
    const { principal } = this.#session;
    checkScope(auth, principal, 'subscriptions');
    const subscription = subscriptions.get(id);
    const maySee =
      subscription !== undefined &&
      auth.authority.hasScope(principal, 'subscriptions', subscription.definition.channels).allowed;
    if (!maySee) throw noSuchSubscription();
    return subscription;
  }
}

/**
 * A subscription that a session pulls from. It is also the options of the pull, because credit
 * changes while the pull waits.
 */
class PullSubscription implements PullOptions {
  readonly id: string;
  readonly cancellation: AbortController = new AbortController();
  readonly bytesMax: number = WRITE_BYTES_MAX;
  readonly waitMs: number = Infinity;
  credit = 0;
  leaseMs: number | undefined = undefined;
  isRunning = false;
  /** The subscription's version and the principal that were last checked. */
  version: number;
  principal: Principal | undefined = undefined;
  /** The error that ended the subscription. */
  closedBy: PolycastError | undefined = undefined;
  unwatch: () => void = () => undefined;

  constructor(id: string, version: number) {
    this.id = id;
    this.version = version;
  }

  get countMax(): number {
    return this.credit;
  }
}

function leasesMember({ leases }: PullOperation['members']): readonly string[] {
  const isList =
    Array.isArray(leases) &&
    leases.length > 0 &&
    leases.length <= LEASES_MAX &&
    leases.every((lease) => typeof lease === 'string' && lease !== '' && lease.length <= LEASE_LENGTH_MAX);
  if (!isList) throw invalidMessage('leases', `must be a list of 1 to ${LEASES_MAX} leases`);
  return leases as readonly string[];
}

function integerMember(members: PullOperation['members'], name: string, min: number, max: number): number {
  const value = members[name];
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
    throw invalidMessage(name, `must be a whole number from ${min} to ${max}`);
  return value as number;
}
