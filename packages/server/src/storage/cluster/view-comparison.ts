import { hostname } from 'node:os';
import { packageVersion } from '../../platform/package-files.ts';
import { FEATURE_LEVEL, type Fleet, type HubBeat } from './fleet.ts';

/** Hashes of the newest blocks that are remembered: some minutes of a busy cluster. */
const HASHES_MAX = 4_096;

/**
 * Compares this hub's view with those of other hubs. Each beat has the hash of a view at a block.
 * Views that differ at the same block have applied it differently: a defect, or a damaged disk.
 */
export class ViewComparison {
  readonly #fleet: Fleet;
  readonly #logger: { error(fields: object, message: string): void };
  readonly #hashes = new Map<number, number>();
  /** The last beats of hubs that were ahead of this one. */
  readonly #ahead = new Map<string, HubBeat>();
  readonly #host = hostname();
  readonly #version = packageVersion();
  #subscriptionOwner = '';
  /** The hubs whose last comparable beat had another hash. */
  readonly #different = new Set<string>();

  constructor(fleet: Fleet, logger: { error(fields: object, message: string): void }) {
    this.#fleet = fleet;
    this.#logger = logger;
    fleet.onBeat((beat) => this.#compare(beat));
  }

  /**
   * A hash covers all blocks before, so an equal one ends a difference. Example: the brokers were
   * rolled back, and another hub has not noticed it yet.
   */
  get hasDifference(): boolean {
    if (this.#different.size === 0) return false;
    const running = new Set(this.#fleet.hubs.map(({ hub }) => hub));
    for (const hub of this.#different) if (!running.has(hub)) this.#different.delete(hub);
    return this.#different.size > 0;
  }

  /** Other hubs see this one from here on, also while nothing happens. */
  start(sequence: number, hash: number): void {
    if (this.#hashes.size === 0) this.onApplied(sequence, hash);
  }

  /** The next beat shows the hub that works on subscriptions. */
  reportOwner(owner: string): void {
    this.#subscriptionOwner = owner;
  }

  onApplied(sequence: number, hash: number): void {
    this.#hashes.set(sequence, hash);
    if (this.#hashes.size > HASHES_MAX) this.#hashes.delete(this.#hashes.keys().next().value as number);
    this.#fleet.report({
      host: this.#host,
      version: this.#version,
      sequence,
      hash,
      level: FEATURE_LEVEL,
      subscriptionOwner: this.#subscriptionOwner,
    });
    if (this.#ahead.size === 0) return;
    for (const beat of this.#ahead.values()) if (beat.sequence <= sequence) this.#compare(beat);
  }

  #compare(beat: HubBeat): void {
    const own = this.#hashes.get(beat.sequence);
    if (own === undefined) {
      const newest = [...this.#hashes.keys()].at(-1) ?? 0;
      if (beat.sequence > newest) this.#ahead.set(beat.hub, beat);
      else this.#ahead.delete(beat.hub);
      return;
    }
    this.#ahead.delete(beat.hub);
    if (own === beat.hash) return void this.#different.delete(beat.hub);
    if (this.#different.has(beat.hub)) return;
    this.#different.add(beat.hub);
    const fields = { hub: beat.hub, sequence: beat.sequence, own, other: beat.hash };
    this.#logger.error(fields, 'cluster: the view of this hub differs from that of another hub');
  }
}
