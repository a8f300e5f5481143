import type { Duplex } from 'node:stream';
import type { PolycastError } from '@polycast/protocol';
import type { SubscriptionEffect } from '../../view/subscription-state.ts';
import type { Fleet } from '../fleet.ts';
import { Tunnels } from '../tunnels.ts';
import type { ClusterSubscriptionStore } from './cluster-subscription-store.ts';
import type { LeaseHolder } from './work-lease.ts';

/** The time that a former owner has for requests in flight. */
const ANSWER_TIME_MS = 1_000;

/**
 * The subscriptions of a cluster, as one hub sees them.
 * One hub works on all of them, and the others forward their requests to it.
 */
export class ClusterSubscriptions {
  readonly store: ClusterSubscriptionStore;
  readonly lease: LeaseHolder;
  readonly #self: string;
  readonly #tunnels: Tunnels;
  #tunnelsTo = '';
  #isLeaving = false;

  constructor(
    store: ClusterSubscriptionStore,
    lease: LeaseHolder,
    fleet: Pick<Fleet, 'self' | 'send' | 'onReceived' | 'messageBytesMax'>,
  ) {
    this.store = store;
    this.lease = lease;
    this.#self = fleet.self;
    this.#tunnels = new Tunnels(fleet);
  }

  /** The hub is open, and may work. @param begin called once, when the store can be loaded */
  start(begin: () => void): void {
    this.lease.start({ prepare: () => this.store.prepare(), begin });
  }

  /** Whether this hub works on subscriptions. */
  get isWorking(): boolean {
    return this.lease.isWorking && !this.#isLeaving;
  }

  /** Whether this hub works on them no more, and never will. */
  get hasLeft(): boolean {
    return this.#isLeaving;
  }

  /** Other hubs answer from now on. The store gives the lease away when it closes. */
  leave(): void {
    this.#isLeaving = true;
    this.lease.withdraw();
  }

  /** Why no hub can work on them. */
  get refusal(): PolycastError | undefined {
    return this.lease.refusal;
  }

  /** Resolves when the hub that works changes, or after the time. */
  changed(timeoutMs: number): Promise<void> {
    return this.lease.changed(timeoutMs);
  }

  /**
   * Opens a connection to the hub that works. `undefined`: it is this one, or there is none, or it
   * does not answer. @throws PolycastError `overloaded`
   */
  async connect(timeoutMs: number): Promise<Duplex | undefined> {
    const { owner } = this.lease;
    if (owner === '' || owner === this.#self) return undefined;
    this.#tunnelsTo = owner;
    return this.#tunnels.open(owner, timeoutMs);
  }

  /** Calls the listener with the connections of other hubs to this one. */
  onConnection(listener: (connection: Duplex) => void): void {
    this.#tunnels.onConnection(listener);
  }

  /** The view has applied a command. */
  onApplied(effect: SubscriptionEffect): void {
    this.lease.onApplied(effect);
    const before = this.#tunnelsTo;
    if (before === '' || before === this.lease.owner) return;
    this.#tunnelsTo = '';
    // An owner that gave its lease away finishes what it is answering.
    // One that was killed never will.
    setTimeout(() => this.#tunnels.close(before), ANSWER_TIME_MS).unref();
  }

  stats(): Readonly<Record<string, number>> {
    return {
      subscriptionTerm: this.lease.term,
      subscriptionOwner: Number(this.lease.isWorking),
      tunnels: this.#tunnels.count,
    };
  }

  close(): void {
    this.#tunnels.onConnection(undefined);
    this.#tunnels.close();
  }
}
