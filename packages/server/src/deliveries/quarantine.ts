import type { InFlight, Suspect } from './in-flight-file.ts';
import type { Line } from './line.ts';

/**
 * Subscriptions that were being sent to when the process died, twice or more often: a request of theirs may be what ended it. They are
 * held back while all others are served, then tried one after the other, one request at a time. A trial is over when the requests
 * that were in flight have been answered, or have failed, and the process lives.
 */
export interface QuarantineParts {
  readonly inFlight: InFlight;
  /** How many times faster than on the wall time passes for the clock. */
  readonly speed: number;
  /** A line may be tried now. */
  readonly released: (line: Line) => void;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** From the start of the hub to the first trial, by how often the process died: 2 s, then twice as long each time. */
const HOLD_MS = 2000;
const HOLD_FACTOR = 2;
const HOLD_MS_MAX = 600_000;
/** A suspect that is not sent to at all, as it is paused, holds up the next one no longer than this. */
const TRIAL_MS_MAX = 70_000;
/** A hub that has lived for so long is in no loop: nobody is suspected any more. */
const CAREFUL_MS = 600_000;

interface Held {
  readonly line: Line;
  readonly suspect: Suspect;
  /** In flight then, and not tried since. */
  readonly untried: Set<number>;
}

export class Quarantine {
  readonly #parts: QuarantineParts;
  readonly #held = new Map<Line, Held>();
  readonly #released = new Set<Line>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #trying: Line | undefined;
  #startedMs = 0;
  /** Of the line that is being tried. */
  #landings = 0;

  constructor(parts: QuarantineParts) {
    this.#parts = parts;
  }

  /** Suspects that have not been cleared. */
  get size(): number {
    return this.#held.size;
  }

  /** Before anything is sent: takes in those of the lines that are suspects. */
  start(find: (id: string) => Line | undefined): void {
    const { inFlight, logger } = this.#parts;
    this.#startedMs = performance.now();
    for (const [id, suspect] of inFlight.suspects) {
      const line = find(id);
      if (line === undefined) {
        inFlight.cleared(id);
        continue;
      }
      this.#held.set(line, { line, suspect, untried: new Set(suspect.positions) });
      const { crashes, positions } = suspect;
      logger.warn(
        {
          subscription: id,
          host: hostOf(line),
          positions: positions.slice(0, NAMED_MAX),
          crashes,
          holdMs: holdMs(suspect),
        },
        'webhooks: the hub died while it sent to this subscription; it is tried last, and alone',
      );
    }
    this.#tryNext();
    this.#after(CAREFUL_MS, () => {
      inFlight.relax();
      for (const { line } of [...this.#held.values()]) this.remove(line);
    });
  }

  /** Whether nothing may be sent for this line yet. */
  isHeld(root: Line): boolean {
    return this.#held.has(root) && !this.#released.has(root);
  }

  /** How many requests may be begun for a line that is being tried: one at a time. */
  room(root: Line, room: number): number {
    return this.#held.has(root) ? Math.min(room, 1 - root.inFlight) : room;
  }

  /** A request has been answered, or has failed; with these positions, 0 for a question. */
  landed(root: Line, positions: Iterable<number>): void {
    const held = this.#held.get(root);
    if (held === undefined || !this.#released.has(root)) return;
    for (const position of positions) held.untried.delete(position);
    if (held.untried.size > 0 && ++this.#landings < held.suspect.positions.length + LANDINGS_MAX) return;
    this.#parts.logger.info(
      { subscription: root.id },
      'webhooks: the hub lived through the trial of this subscription; it is sent to as before',
    );
    this.remove(root);
  }

  /** It is no suspect any more. */
  remove(line: Line): void {
    if (!this.#held.delete(line)) return;
    const wasReleased = this.#released.delete(line);
    this.#parts.inFlight.cleared(line.id);
    if (!wasReleased) this.#parts.released(line);
    if (this.#trying === line) {
      this.#trying = undefined;
      this.#tryNext();
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Those that were in flight at the fewest ends come first. */
  #tryNext(): void {
    const waiting = [...this.#held.values()].filter(({ line }) => !this.#released.has(line));
    const [next] = waiting.toSorted((one, other) => one.suspect.crashes - other.suspect.crashes);
    if (next === undefined) return;
    const { line, suspect } = next;
    this.#trying = line;
    this.#landings = 0;
    const waitedMs = (performance.now() - this.#startedMs) * this.#parts.speed;
    this.#after(Math.max(0, holdMs(suspect) - waitedMs), () => {
      if (this.#trying !== line) return;
      this.#released.add(line);
      this.#parts.released(line);
      this.#after(TRIAL_MS_MAX, () => {
        if (this.#trying === line) this.#tryNext();
      });
    });
  }

  #after(durationMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, durationMs / this.#parts.speed);
    timer.unref();
    this.#timers.add(timer);
  }
}

/** Positions that the log names of each. */
const NAMED_MAX = 20;
/** Requests after which a trial is over, though an event that was in flight has not come: it may no longer be meant. */
const LANDINGS_MAX = 64;

function holdMs({ crashes }: Suspect): number {
  return Math.min(HOLD_MS_MAX, HOLD_MS * HOLD_FACTOR ** Math.max(0, crashes - 1));
}

function hostOf({ definition: { delivery } }: Line): string | undefined {
  return delivery.kind === 'webhook' ? URL.parse(delivery.url)?.host : undefined;
}
