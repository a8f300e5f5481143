import { encodeCursor, PolycastError } from '@polycast/protocol';
import type { Lane } from '../core/subscription/lane.ts';
import type { DeadLetter, EventPlace, StoreChange, SubscriptionStore } from '../core/subscription/ports.ts';
import type { Progress } from '../core/subscription/progress.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { gapOf, isGap } from './gap.ts';
import type { Line, LineOwner } from './line.ts';
import type { Notes } from './notes.ts';
import type { Tell } from './tell.ts';

export interface DeadLettersParts {
  /** Of the log that there is now. */
  readonly epoch: string;
  readonly store: SubscriptionStore;
  readonly notes: Notes;
  readonly settings: SubscriptionSettings;
  readonly tell: Tell;
  readonly ownerOf: (line: Line) => LineOwner;
  readonly logger: { warn(fields: object, message: string): void };
}

const CHANNEL_REMOVED = 'The subscription no longer has its channel.';
/** Dead letters taken in one go. */
const PAGE_COUNT = 500;

/** Events that were given up on: kept, told of, and tried again or discarded when somebody has looked at them. */
export class DeadLetters {
  readonly #parts: DeadLettersParts;
  readonly #trimming = new Set<Line>();
  #givenUp = 0;

  constructor(parts: DeadLettersParts) {
    this.#parts = parts;
  }

  /** Events given up on since it began. */
  get givenUp(): number {
    return this.#givenUp;
  }

  /** The first event of a lane has failed often enough, or can never be sent: it is done. */
  giveUp(
    line: Line,
    progress: Progress,
    lane: Lane,
    outcome: DeadLetter['outcome'],
    detail: string,
    nowMs: number,
  ): void {
    const { epoch, store, notes, tell } = this.#parts;
    const { root } = line;
    const { position, channel, attempts, record } = lane;
    progress.narrow(lane, 1);
    progress.done(lane);
    // What is lost already is no letter to anybody; that it is not known is told.
    if (record !== undefined && isGap(record))
      return tell(root.id, 'dead-gap', { gap: gapOf(record), channel: record.channel, attempts, outcome });
    root.deadLetters++;
    this.#givenUp++;
    const letter = { epoch, position, channel, attempts, sinceMs: nowMs, outcome, detail };
    store.note([{ kind: 'dead_letter', deadLetter: { subscription: root.id, ...letter } }, ...notes.changesOf(line)]);
    tell(root.id, 'dead-letter', { event: encodeCursor(epoch, position), channel, attempts, outcome });
    void this.#trim(root);
  }

  /**
   * What was to be handed out is of a channel that the subscription no longer has: it stays here. A replay lets go of it, as it was
   * delivered before.
   */
  leaveOut(line: Line, progress: Progress, lane: Lane, nowMs: number): void {
    // It was taken to be handed out, and is not.
    lane.attempts--;
    if (line === line.root) return this.giveUp(line, progress, lane, 'channel_removed', CHANNEL_REMOVED, nowMs);
    progress.done(lane);
  }

  /**
   * Has one, or as many as may be open, delivered once more, beside all that comes; says how many. Those of a log that is no more stay:
   * at their places stands something else, or nothing. So do those of channels that it no longer has: nobody is asked about these.
   * @throws PolycastError `not_found` for one of them
   */
  async retry(line: Line, event: EventPlace | undefined): Promise<number> {
    const { epoch } = this.#parts;
    if (event !== undefined && event.epoch !== epoch)
      throw new PolycastError('not_found', 'The log that it was in is no more: it can be discarded, and not retried.');
    if (event !== undefined) {
      const letters = await this.#at(line, event);
      if (letters.some(({ channel }) => !line.hasChannel(channel)))
        throw new PolycastError('not_found', `${CHANNEL_REMOVED} The event can be discarded, and not retried.`);
      return this.#again(line, letters);
    }
    let retried = 0;
    for (let after: EventPlace = { epoch, position: 0 }; ;) {
      const room = this.#roomOf(line);
      const page = room > 0 ? await this.#page(line, after, Math.min(PAGE_COUNT, room)) : [];
      const letters = page.filter((letter) => letter.epoch === epoch);
      const last = letters.at(-1);
      if (last === undefined) return retried;
      retried += await this.#again(line, letters);
      after = last;
    }
  }

  async discard(line: Line, event: EventPlace | undefined): Promise<number> {
    if (event !== undefined) return this.#gone(line, await this.#at(line, event));
    let discarded = 0;
    for (let after: EventPlace | undefined; ;) {
      const letters = await this.#page(line, after, PAGE_COUNT);
      if (letters.length === 0) return discarded;
      discarded += await this.#gone(line, letters);
      after = letters.at(-1);
    }
  }

  /** Lets go of the oldest, if there are more than are kept. */
  async #trim(line: Line): Promise<void> {
    const { settings, logger } = this.#parts;
    // By heaps, and one at a time.
    const over = line.deadLetters - settings.deadLettersKept;
    if (over < Math.min(PAGE_COUNT, settings.deadLettersKept / 10) || this.#trimming.has(line)) return;
    this.#trimming.add(line);
    try {
      await this.#gone(line, await this.#page(line, undefined, over));
    } catch (error) {
      logger.warn({ subscription: line.id, error: String(error) }, 'old dead letters could not be let go of');
    } finally {
      this.#trimming.delete(line);
    }
  }

  /** How many more may be open. */
  #roomOf({ progress }: Line): number {
    return this.#parts.settings.openEventsMax - progress.waiting - progress.flying - progress.countAside();
  }

  #page(line: Line, after: EventPlace | undefined, limit: number): Promise<readonly DeadLetter[]> {
    return this.#parts.store.deadLetters(line.id, { after, limit });
  }

  /** That of one event, if it has become one. */
  async #at(line: Line, { epoch, position }: EventPlace): Promise<readonly DeadLetter[]> {
    const letters = await this.#page(line, { epoch, position: position - 1 }, 1);
    return letters.filter((letter) => letter.epoch === epoch && letter.position === position);
  }

  async #again(line: Line, letters: readonly DeadLetter[]): Promise<number> {
    // Others may have been taken, and the channels changed, while these were read.
    let room = this.#roomOf(line);
    const taken = letters.filter(({ channel, position }) => {
      const isTaken = room > 0 && line.hasChannel(channel) && line.progress.takeAside(channel, position);
      if (isTaken) room--;
      return isTaken;
    });
    await this.#gone(line, taken);
    this.#parts.ownerOf(line).ready(line);
    return taken.length;
  }

  /** With what has come in their place, so that a crash loses neither. */
  async #gone(line: Line, letters: readonly DeadLetter[]): Promise<number> {
    if (letters.length === 0) return 0;
    line.deadLetters = Math.max(0, line.deadLetters - letters.length);
    const changes = letters.map(({ subscription, epoch, position }): StoreChange => ({
      kind: 'dead_letter_gone',
      subscription,
      epoch,
      position,
    }));
    await this.#parts.store.write([...changes, ...this.#parts.notes.changesOf(line)]);
    return letters.length;
  }
}
