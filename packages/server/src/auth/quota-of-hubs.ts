import type { Principal } from '../core/access/principal.ts';
import type { OtherHubs } from '../core/cluster-state.ts';
import type { ConnectionQuota, QuotaCounts, QuotaName } from './connection-quota.ts';
import type { Session, SessionListener, Sessions } from './sessions.ts';

/** The pause between two rounds, in each of which a hub asks all others at once. */
const ROUND_INTERVAL_MS = 500;
/** A hub that does not answer within this time has no counts in this round. */
const ANSWER_MAX_MS = 1_000;
/**
 * Memory for the names that have their share here: some 10,000. Further ones are counted by each
 * hub alone, until there is room. The names of all other hubs have as much.
 */
const NAMES_BYTES_MAX: number = 1024 * 1024;
const NAME_BYTES = 64;

interface CountsQuestion {
  readonly kind: 'session counts';
}

/** The sessions of a hub by name. Names that are in no list of any hub are far from their limit. */
interface CountsAnswer {
  /** Names that have at least their share of the limit here. */
  readonly many: QuotaCounts;
  /** Other names with sessions here, which are in `many` of another hub. */
  readonly few: QuotaCounts;
}

/**
 * Limits of sessions hold for a cluster. The share of a hub is the limit divided by the number of
 * hubs. If all hubs together reach the limit of a name, one of them has its share at least. So each
 * hub tells the names that have their share there, and then all hubs tell their counts of these.
 * Example: a user may have 9 sessions at three hubs, and has 5, 3 and 1. The first two hubs tell so
 * by themselves, and the third one follows. Then each of them refuses the next session.
 *
 * A hub knows what the others had in its last round: about a second ago. Sessions that several hubs
 * accept in that time stay.
 */
export class QuotaOfHubs implements SessionListener {
  readonly #others: OtherHubs;
  readonly #quota: ConnectionQuota;
  /** Names that have their share here. */
  readonly #many = new BoundedNames();
  /** Names that have their share at another hub. */
  #manyElsewhere = new BoundedNames();
  /** Names whose sessions have changed since the last round. */
  #changed = new Set<QuotaName>();
  /** The hubs that shares are computed for. 0: all names have to be looked at. */
  #hubs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #isDraining = false;

  constructor(others: OtherHubs, sessions: Sessions, quota: ConnectionQuota) {
    this.#others = others;
    this.#quota = quota;
    sessions.listen(this);
    quota.onLimits(() => void (this.#hubs = 0));
    others.onAsked((question) => ((question as CountsQuestion).kind === 'session counts' ? this.#answer() : undefined));
  }

  start(): void {
    void this.#round().then((answers) => {
      this.#take(answers);
      if (!this.#isClosed) this.#timer = setTimeout(() => this.start(), ROUND_INTERVAL_MS).unref();
    });
  }

  /** From now on, clients move to other hubs, which must not count them twice. */
  drain(): void {
    this.#isDraining = true;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  opened({ principal, address }: Session): void {
    // A hub alone looks at all names as soon as there is another one.
    if (this.#hubs > 1) for (const name of this.#quota.limitedNames(principal, address)) this.#changed.add(name);
  }

  closed(session: Session): void {
    this.opened(session);
  }

  changed(session: Session, { principal }: { readonly principal: Principal }): void {
    if (principal === session.principal || this.#hubs <= 1) return;
    this.opened(session);
    for (const name of this.#quota.limitedNames(principal, session.address)) this.#changed.add(name);
  }

  async #round(): Promise<readonly CountsAnswer[]> {
    this.#updateShares();
    if (this.#hubs === 1 || !this.#quota.isLimited) return [];
    const question: CountsQuestion = { kind: 'session counts' };
    try {
      return (await this.#others.ask<CountsAnswer>(question, ANSWER_MAX_MS)).answers;
    } catch {
      // Without the brokers this hub counts its own sessions alone.
      return [];
    }
  }

  #updateShares(): void {
    const hubs = this.#others.names.length + 1;
    if (hubs !== this.#hubs || this.#many.isIncomplete) {
      this.#hubs = hubs;
      this.#many.clear();
      if (hubs > 1) this.#many.addAll(this.#quota.namesWithShare(hubs));
    } else
      for (const name of this.#changed)
        if (this.#quota.hasShare(name, hubs)) this.#many.add(name);
        else this.#many.delete(name);
    this.#changed = new Set();
  }

  #take(answers: readonly CountsAnswer[]): void {
    this.#manyElsewhere = new BoundedNames();
    for (const { many } of answers) this.#manyElsewhere.addAll(Object.keys(many) as QuotaName[]);
    this.#quota.replaceElsewhere(sumOf(answers.flatMap(({ many, few }) => [many, few])));
  }

  #answer(): CountsAnswer {
    const many: Record<QuotaName, number> = {};
    const few: Record<QuotaName, number> = {};
    if (this.#isDraining) return { many, few };
    for (const name of this.#many) many[name] = this.#quota.countOf(name).count;
    for (const name of this.#manyElsewhere) {
      const { count } = this.#quota.countOf(name);
      if (count > 0 && !this.#many.has(name)) few[name] = count;
    }
    return { many, few };
  }
}

function sumOf(lists: readonly QuotaCounts[]): QuotaCounts {
  const sums: Record<QuotaName, number> = {};
  for (const counts of lists)
    for (const [name, count] of Object.entries(counts) as [QuotaName, number][]) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

/** Names within `NAMES_BYTES_MAX`. */
class BoundedNames {
  readonly #names = new Set<QuotaName>();
  #bytes = 0;
  #isIncomplete = false;

  /** There was no room for a name. */
  get isIncomplete(): boolean {
    return this.#isIncomplete;
  }

  has(name: QuotaName): boolean {
    return this.#names.has(name);
  }

  /** Returns whether there was room. */
  add(name: QuotaName): boolean {
    if (this.#names.has(name)) return true;
    this.#isIncomplete ||= this.#bytes + bytesOf(name) > NAMES_BYTES_MAX;
    if (this.#isIncomplete) return false;
    this.#bytes += bytesOf(name);
    this.#names.add(name);
    return true;
  }

  /** Adds names up to the first one without room. */
  addAll(names: Iterable<QuotaName>): void {
    for (const name of names) if (!this.add(name)) return;
  }

  delete(name: QuotaName): void {
    if (this.#names.delete(name)) this.#bytes -= bytesOf(name);
  }

  clear(): void {
    this.#names.clear();
    this.#bytes = 0;
    this.#isIncomplete = false;
  }

  [Symbol.iterator](): Iterator<QuotaName> {
    return this.#names.values();
  }
}

function bytesOf(name: QuotaName): number {
  return NAME_BYTES + 2 * name.length;
}
