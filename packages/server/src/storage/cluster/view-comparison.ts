import { hostname } from 'node:os';
import { packageVersion } from '../../platform/package-files.ts';
import { FEATURE_LEVEL, type Fleet, type HubBeat } from './fleet.ts';

/** Hashes of the newest blocks that are remembered: some minutes of a busy cluster. */
const HASHES_MAX = 4_096;

/**
 * Beats in a row that outvote this hub: 10 s of two other hubs. Brokers that were rolled back make
 * hubs differ for a moment, until each has noticed it.
 */
const OUTVOTED_BEATS = 20;

/**
 * Compares this hub's view with those of other hubs. Each beat has the hash of a view at a block.
 * Views that differ at the same block have applied it differently: a defect, or a damaged disk.
 *
 * Example: of three hubs, one differs from both others, and these are equal. It is outvoted, and
 * builds its view again. Two hubs that differ from each other cannot know which one is right.
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
  #own: Omit<HubBeat, 'hub'> | undefined;
  /** By the name of a hub, whether its last comparable beat had the same hash. */
  readonly #isSame = new Map<string, boolean>();

  /** A hub has differed from this one since the start. */
  #hasDiffered = false;
  /** The beats in a row that have outvoted this hub. */
  #outvotedBeats = 0;
  readonly #onOutvoted: () => void;

  /** @param onOutvoted called when more hubs differ from this one than are equal to it */
  constructor(fleet: Fleet, logger: { error(fields: object, message: string): void }, onOutvoted: () => void) {
    this.#fleet = fleet;
    this.#logger = logger;
    this.#onOutvoted = onOutvoted;
  }

  /**
   * A hash covers all blocks before, so an equal one ends a difference. Example: the brokers were
   * rolled back, and another hub has not noticed it yet.
   */
  get hasDifference(): boolean {
    return this.#fleet.hubs.some(({ hub }) => this.#isSame.get(hub) === false);
  }

  /** As many hubs differ from this one as are equal to it, or more. */
  get mayBeWrong(): boolean {
    if (!this.#hasDiffered) return false;
    const { same, different } = this.#votes;
    return different > 0 && different >= same;
  }

  /** This hub is one of those that are equal to it. */
  get #votes(): { readonly same: number; readonly different: number } {
    const known = this.#fleet.hubs.map(({ hub }) => this.#isSame.get(hub));
    return {
      same: 1 + known.filter((isSame) => isSame === true).length,
      different: known.filter((isSame) => isSame === false).length,
    };
  }

  /**
   * Whether the data of another hub is that of this one.
   * `undefined`: they were not at the same block yet.
   */
  isSame(hub: string): boolean | undefined {
    return this.#isSame.get(hub);
  }

  /** What this hub says of itself. `undefined` before its start. */
  get own(): Omit<HubBeat, 'hub'> | undefined {
    return this.#own;
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
    this.#own = {
      host: this.#host,
      version: this.#version,
      sequence,
      hash,
      level: FEATURE_LEVEL,
      subscriptionOwner: this.#subscriptionOwner,
    };
    this.#fleet.report(this.#own);
    if (this.#ahead.size === 0) return;
    for (const beat of this.#ahead.values()) if (beat.sequence <= sequence) this.compare(beat);
  }

  /** Another hub has said where it is. */
  compare(beat: HubBeat): void {
    const own = this.#hashes.get(beat.sequence);
    if (own === undefined) {
      const newest = [...this.#hashes.keys()].at(-1) ?? 0;
      if (beat.sequence > newest) this.#ahead.set(beat.hub, beat);
      else this.#ahead.delete(beat.hub);
      return;
    }
    this.#ahead.delete(beat.hub);
    const wasSame = this.#isSame.get(beat.hub);
    if (wasSame === undefined) this.#forgetGone();
    this.#isSame.set(beat.hub, own === beat.hash);
    this.#hasDiffered ||= own !== beat.hash;
    this.#countVotes();
    if (own === beat.hash || wasSame === false) return;
    const fields = { hub: beat.hub, sequence: beat.sequence, own, other: beat.hash };
    this.#logger.error(fields, 'cluster: the view of this hub differs from that of another hub');
  }

  #countVotes(): void {
    const { same, different } = this.#votes;
    this.#outvotedBeats = different >= 2 && different > same ? this.#outvotedBeats + 1 : 0;
    if (this.#outvotedBeats === OUTVOTED_BEATS) this.#onOutvoted();
  }

  #forgetGone(): void {
    const running = new Set(this.#fleet.hubs.map(({ hub }) => hub));
    for (const hub of this.#isSame.keys()) if (!running.has(hub)) this.#isSame.delete(hub);
  }
}
