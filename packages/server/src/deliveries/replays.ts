import { randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { Replay, ReplayWish, StoredSubscription, SubscriptionStore } from '../core/subscription/ports.ts';
import { Line, type LineOwner, type LineParts } from './line.ts';
import type { Notes } from './notes.ts';

export interface ReplaysParts {
  readonly lineParts: LineParts;
  readonly owner: LineOwner;
  readonly store: SubscriptionStore;
  readonly notes: Notes;
}

/** Of one subscription, that are not done; and those that are, as long as they are shown. */
const REPLAYS_MAX = 8;
const DONE_SHOWN_MAX = 20;

/** What goes over the log once more, beside the live flow (PROTOCOL.md section 14.4). */
export class Replays {
  readonly #parts: ReplaysParts;
  readonly #lines = new Map<Line, Line[]>();
  /** How many are being written, and have their places already. */
  readonly #beginning = new Map<Line, number>();

  constructor(parts: ReplaysParts) {
    this.#parts = parts;
  }

  /** Takes up those that were not done. */
  restore(line: Line, replays: readonly Replay[]): void {
    for (const replay of replays) this.#add(line, replay);
  }

  /** @throws PolycastError `overloaded`, and what the store says */
  async begin(line: Line, { after, channel, lost }: ReplayWish): Promise<Replay> {
    const underWay = this.of(line).filter(({ isDone }) => !isDone);
    if (underWay.length + (this.#beginning.get(line) ?? 0) >= REPLAYS_MAX)
      throw new PolycastError('overloaded', `${REPLAYS_MAX} replays of it are under way.`, { retryAfterMs: 60_000 });
    // What is not done up to here is still to come anyway.
    const through = line.position;
    const id = `rpl_${randomBytes(9).toString('hex')}`;
    const isDone = after >= through && lost === undefined;
    const replay: Replay = { id, after, channel, lost, through, reached: Math.min(after, through), isDone };
    if (!replay.isDone) {
      this.#takePlace(line, 1);
      try {
        await this.#parts.store.write([{ kind: 'replay', subscription: line.id, replay }]);
      } finally {
        this.#takePlace(line, -1);
      }
    }
    const made = this.#add(line, replay);
    if (!replay.isDone) this.#parts.owner.ready(made);
    return replay;
  }

  /** The newest last. */
  of(line: Line): readonly Replay[] {
    return (this.#lines.get(line) ?? []).flatMap(({ replayOf }) => (replayOf === undefined ? [] : [replayOf.replay]));
  }

  /** Those of a subscription may go on. */
  ready(line: Line): void {
    for (const replay of this.#lines.get(line) ?? []) this.#parts.owner.ready(replay);
  }

  forget(line: Line, each: (replay: Line) => void): void {
    for (const replay of this.#lines.get(line) ?? []) {
      this.#parts.notes.forget(replay);
      each(replay);
    }
    this.#lines.delete(line);
  }

  #takePlace(line: Line, count: 1 | -1): void {
    const taken = (this.#beginning.get(line) ?? 0) + count;
    if (taken === 0) this.#beginning.delete(line);
    else this.#beginning.set(line, taken);
  }

  #add(line: Line, replay: Replay): Line {
    const { definition, standing } = line;
    const stored: StoredSubscription = {
      definition,
      standing: { ...standing, cursor: replay.reached, lost: replay.lost },
      open: [],
      deadLetters: 0,
      replays: [],
    };
    const made = new Line(this.#parts.lineParts, stored, this.#parts.owner, { line, replay });
    const lines = this.#lines.get(line) ?? [];
    const underWay = [...lines.filter(isUnderWay), made];
    const done = lines.filter((each) => !isUnderWay(each));
    this.#lines.set(line, [...done.slice(1 - DONE_SHOWN_MAX), ...underWay]);
    line.replays = underWay;
    return made;
  }
}

function isUnderWay({ replayOf }: Line): boolean {
  return replayOf?.replay.isDone === false;
}
