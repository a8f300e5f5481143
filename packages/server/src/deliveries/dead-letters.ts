import { PolycastError } from '@polycast/protocol';
import type { DeadLetter, EventPlace, StoreChange, SubscriptionStore } from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import type { Line, LineOwner } from './line.ts';
import type { Notes } from './notes.ts';

export interface DeadLettersParts {
  /** Of the log that there is now. */
  readonly epoch: string;
  readonly store: SubscriptionStore;
  readonly notes: Notes;
  readonly settings: SubscriptionSettings;
  readonly ownerOf: (line: Line) => LineOwner;
  readonly logger: { warn(fields: object, message: string): void };
}

/** Dead letters taken in one go. */
const PAGE_COUNT = 500;

/** What becomes of dead letters that somebody has looked at. */
export class DeadLetters {
  readonly #parts: DeadLettersParts;
  readonly #trimming = new Set<Line>();

  constructor(parts: DeadLettersParts) {
    this.#parts = parts;
  }

  /**
   * Has one, or as many as may be open, delivered once more, beside all that comes; says how many. Those of a log that is no more stay:
   * at their places stands something else, or nothing.
   * @throws PolycastError `not_found` for one of them
   */
  async retry(line: Line, event: EventPlace | undefined): Promise<number> {
    const { epoch, settings } = this.#parts;
    if (event !== undefined && event.epoch !== epoch)
      throw new PolycastError('not_found', 'The log that it was in is no more: it can be discarded, and not retried.');
    let retried = 0;
    for (let after = event === undefined ? { epoch, position: 0 } : before(event); ;) {
      const room = settings.openEventsMax - line.progress.waiting - line.progress.flying;
      const page = room <= 0 ? [] : await this.#page(line, after, event, Math.min(PAGE_COUNT, room));
      const letters = page.filter((letter) => letter.epoch === epoch);
      const [last] = letters.slice(-1);
      if (last === undefined) return retried;
      const taken = letters.filter(({ channel, position }) => line.progress.takeAside(channel, position));
      await this.#gone(line, taken);
      this.#parts.ownerOf(line).ready(line);
      retried += taken.length;
      after = last;
      if (event !== undefined) return retried;
    }
  }

  /** Lets go of the oldest, if there are more than are kept. */
  async trim(line: Line): Promise<void> {
    const { settings, logger } = this.#parts;
    // By heaps, and one at a time.
    const over = line.deadLetters - settings.deadLettersKept;
    if (over < Math.min(PAGE_COUNT, settings.deadLettersKept / 10) || this.#trimming.has(line)) return;
    this.#trimming.add(line);
    try {
      await this.#gone(line, await this.#page(line, undefined, undefined, over));
    } catch (error) {
      logger.warn({ subscription: line.id, error: String(error) }, 'old dead letters could not be let go of');
    } finally {
      this.#trimming.delete(line);
    }
  }

  async discard(line: Line, event: EventPlace | undefined): Promise<number> {
    let discarded = 0;
    for (let after = event === undefined ? undefined : before(event); ;) {
      const letters = await this.#page(line, after, event, PAGE_COUNT);
      const [last] = letters.slice(-1);
      if (last === undefined) return discarded;
      await this.#gone(line, letters);
      discarded += letters.length;
      after = last;
      if (event !== undefined) return discarded;
    }
  }

  async #page(
    line: Line,
    after: EventPlace | undefined,
    event: EventPlace | undefined,
    limit: number,
  ): Promise<readonly DeadLetter[]> {
    const letters = await this.#parts.store.deadLetters(line.id, { after, limit: event === undefined ? limit : 1 });
    return event === undefined ? letters : letters.filter((letter) => isAt(letter, event));
  }

  /** With what has come in their place, so that a crash loses neither. */
  async #gone(line: Line, letters: readonly DeadLetter[]): Promise<void> {
    line.deadLetters = Math.max(0, line.deadLetters - letters.length);
    const changes: StoreChange[] = letters.map(({ subscription, epoch, position }) => ({
      kind: 'dead_letter_gone',
      subscription,
      epoch,
      position,
    }));
    await this.#parts.store.write([...changes, ...this.#parts.notes.changesOf(line)]);
  }
}

/** What is asked for after this begins with the event. */
function before({ epoch, position }: EventPlace): EventPlace {
  return { epoch, position: position - 1 };
}

function isAt(letter: DeadLetter, { epoch, position }: EventPlace): boolean {
  return letter.epoch === epoch && letter.position === position;
}
