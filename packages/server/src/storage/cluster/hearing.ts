import type { Fleet } from './fleet.ts';
import type { Journal } from './journal.ts';

/**
 * After this time the view of a start is old.
 * While the journal was heard later, `Fleet` knows the hubs that run.
 */
const FRESH_MS = 4_000;

/**
 * Whether this hub hears of revocations. It does while it hears the journal. Without the journal,
 * the hubs still broadcast, so it does while it hears every hub that ran when the journal was last
 * heard. Example: two of three brokers stop. Hubs at the third one hear each other, and go on. A
 * hub that is cut off hears nobody.
 *
 * A hub that did not hear has missed broadcasts. It hears again when its view has all that the
 * journal has by then. So does a hub whose start took long: the journal has grown since.
 */
export class Hearing {
  readonly #journal: Pick<Journal, 'silentMs'>;
  readonly #fleet: Pick<Fleet, 'hubs'>;
  readonly #silentMaxMs: number;
  readonly #reach: () => Promise<void>;
  #known: readonly string[] = [];
  /** Each hub has been heard at every look since the journal was heard last. */
  #isContinuous = true;
  #hasMissed = false;
  #isReaching = false;

  /** @param reach resolves when the view has all that the journal has now */
  constructor(
    journal: Pick<Journal, 'silentMs'>,
    fleet: Pick<Fleet, 'hubs'>,
    silentMaxMs: number,
    reach: () => Promise<void>,
  ) {
    this.#journal = journal;
    this.#fleet = fleet;
    this.#silentMaxMs = silentMaxMs;
    this.#reach = reach;
  }

  /** @param ageMs how old the view is that the hub starts with */
  start(ageMs: number): void {
    if (ageMs <= FRESH_MS) return;
    this.#hasMissed = true;
    void this.#catchUp();
  }

  /** To be read once a second at least. */
  get isHearing(): boolean {
    if (!this.#hearsNow) this.#hasMissed = true;
    else if (this.#hasMissed && !this.#isReaching) void this.#catchUp();
    return !this.#hasMissed;
  }

  async #catchUp(): Promise<void> {
    this.#isReaching = true;
    try {
      await this.#reach();
      this.#hasMissed = !this.#hearsNow;
    } catch {
      // The next look tries again.
    }
    this.#isReaching = false;
  }

  get #hearsNow(): boolean {
    const { silentMs } = this.#journal;
    const heard = new Set(this.#fleet.hubs.map(({ hub }) => hub));
    if (silentMs < FRESH_MS) this.#known = [...heard];
    const hearsAll = this.#known.length > 0 && this.#known.every((hub) => heard.has(hub));
    // Broadcasts of a hub that is heard again may be missing.
    this.#isContinuous = silentMs < FRESH_MS || (this.#isContinuous && hearsAll);
    return silentMs <= this.#silentMaxMs || this.#isContinuous;
  }
}
