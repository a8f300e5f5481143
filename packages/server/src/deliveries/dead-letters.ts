import type { Position } from '../core/ports.ts';
import type { DeadLetter, StoreChange, SubscriptionStore } from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import type { Line, LineOwner } from './line.ts';
import type { Notes } from './notes.ts';

export interface DeadLettersParts {
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

  /** Has one, or as many as may be open, delivered once more, beside all that comes; says how many. */
  async retry(line: Line, position: Position | undefined): Promise<number> {
    let retried = 0;
    for (let after = position === undefined ? 0 : position - 1; ;) {
      const room = this.#parts.settings.openEventsMax - line.progress.waiting - line.progress.flying;
      const letters = room <= 0 ? [] : await this.#page(line, after, position, Math.min(PAGE_COUNT, room));
      const [last] = letters.slice(-1);
      if (last === undefined) return retried;
      const taken = letters.filter(({ channel, position: at }) => line.progress.takeAside(channel, at));
      await this.#gone(line, taken);
      this.#parts.ownerOf(line).ready(line);
      retried += taken.length;
      after = last.position;
      if (position !== undefined) return retried;
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
      await this.#gone(line, await this.#page(line, 0, undefined, over));
    } catch (error) {
      logger.warn({ subscription: line.id, error: String(error) }, 'old dead letters could not be let go of');
    } finally {
      this.#trimming.delete(line);
    }
  }

  async discard(line: Line, position: Position | undefined): Promise<number> {
    let discarded = 0;
    for (let after = position === undefined ? 0 : position - 1; ;) {
      const letters = await this.#page(line, after, position, PAGE_COUNT);
      const [last] = letters.slice(-1);
      if (last === undefined) return discarded;
      await this.#gone(line, letters);
      discarded += letters.length;
      after = last.position;
      if (position !== undefined) return discarded;
    }
  }

  async #page(
    line: Line,
    after: Position,
    position: Position | undefined,
    limit: number,
  ): Promise<readonly DeadLetter[]> {
    const letters = await this.#parts.store.deadLetters(line.id, { after, limit: position === undefined ? limit : 1 });
    return position === undefined ? letters : letters.filter((letter) => letter.position === position);
  }

  /** With what has come in their place, so that a crash loses neither. */
  async #gone(line: Line, letters: readonly DeadLetter[]): Promise<void> {
    line.deadLetters = Math.max(0, line.deadLetters - letters.length);
    const changes: StoreChange[] = letters.map(({ subscription, position }) => ({
      kind: 'dead_letter_gone',
      subscription,
      position,
    }));
    await this.#parts.store.write([...changes, ...this.#parts.notes.changesOf(line)]);
  }
}
