import type { InFlightJournal, CrashSuspect } from './in-flight-journal.ts';
import type { DurableConsumer } from '../engine/durable-consumer.ts';

/**
 * Subscriptions that were being sent to when the process died, twice or more often: a request of theirs may be what ended it. They are
 * held back while all others are served, then tried one after the other, one request at a time. A trial is over when the requests
 * that were in flight have been answered, or have failed, and the process lives.
 */
export interface CrashQuarantineParts {
  readonly inFlightJournal: InFlightJournal;
  /** How many times faster than on the wall time passes for the clock. */
  readonly speed: number;
  /** A line may be tried now. */
  readonly onReleased: (consumer: DurableConsumer) => void;
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
const RECORDING_MS_MAX = 600_000;

interface QuarantinedConsumer {
  readonly consumer: DurableConsumer;
  readonly suspect: CrashSuspect;
  /** In flight then, and not tried since. */
  readonly untried: Set<number>;
}

export class CrashQuarantine {
  readonly #parts: CrashQuarantineParts;
  readonly #quarantined = new Map<DurableConsumer, QuarantinedConsumer>();
  readonly #released = new Set<DurableConsumer>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #onTrial: DurableConsumer | undefined;
  #startedMs = 0;
  /** Of the line that is being tried. */
  #completions = 0;

  constructor(parts: CrashQuarantineParts) {
    this.#parts = parts;
  }

  /** Suspects that have not been cleared. */
  get size(): number {
    return this.#quarantined.size;
  }

  /** Before anything is sent: takes in those of the lines that are suspects. */
  start(find: (id: string) => DurableConsumer | undefined): void {
    const { inFlightJournal, logger } = this.#parts;
    this.#startedMs = performance.now();
    for (const [id, suspect] of inFlightJournal.suspects) {
      const consumer = find(id);
      if (consumer === undefined) {
        inFlightJournal.clearSuspect(id);
        continue;
      }
      this.#quarantined.set(consumer, { consumer, suspect, untried: new Set(suspect.positions) });
      const { crashes, positions } = suspect;
      logger.warn(
        {
          subscription: id,
          host: hostOf(consumer),
          positions: positions.slice(0, NAMED_MAX),
          crashes,
          holdMs: holdMs(suspect),
        },
        'webhooks: the hub died while it sent to this subscription; it is tried last, and alone',
      );
    }
    this.#tryNext();
    this.#after(RECORDING_MS_MAX, () => {
      inFlightJournal.stopRecording();
      for (const { consumer } of [...this.#quarantined.values()]) this.remove(consumer);
    });
  }

  /** Whether nothing may be sent for this line yet. */
  isHeld(primary: DurableConsumer): boolean {
    return this.#quarantined.has(primary) && !this.#released.has(primary);
  }

  /** How many requests may be begun for a line that is being tried: one at a time. */
  allowedRequests(primary: DurableConsumer, available: number): number {
    return this.#quarantined.has(primary) ? Math.min(available, 1 - primary.inFlight) : available;
  }

  /** A request has been answered, or has failed; with these positions, 0 for a question. */
  onCompleted(primary: DurableConsumer, positions: Iterable<number>): void {
    const quarantined = this.#quarantined.get(primary);
    if (quarantined === undefined || !this.#released.has(primary)) return;
    for (const position of positions) quarantined.untried.delete(position);
    if (quarantined.untried.size > 0 && ++this.#completions < quarantined.suspect.positions.length + COMPLETIONS_MAX)
      return;
    this.#parts.logger.info(
      { subscription: primary.id },
      'webhooks: the hub lived through the trial of this subscription; it is sent to as before',
    );
    this.remove(primary);
  }

  /** It is no suspect any more. */
  remove(consumer: DurableConsumer): void {
    if (!this.#quarantined.delete(consumer)) return;
    const wasReleased = this.#released.delete(consumer);
    this.#parts.inFlightJournal.clearSuspect(consumer.id);
    if (!wasReleased) this.#parts.onReleased(consumer);
    if (this.#onTrial === consumer) {
      this.#onTrial = undefined;
      this.#tryNext();
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Those that were in flight at the fewest ends come first. */
  #tryNext(): void {
    const waiting = [...this.#quarantined.values()].filter(({ consumer }) => !this.#released.has(consumer));
    const [next] = waiting.toSorted((one, other) => one.suspect.crashes - other.suspect.crashes);
    if (next === undefined) return;
    const { consumer, suspect } = next;
    this.#onTrial = consumer;
    this.#completions = 0;
    const waitedMs = (performance.now() - this.#startedMs) * this.#parts.speed;
    this.#after(Math.max(0, holdMs(suspect) - waitedMs), () => {
      if (this.#onTrial !== consumer) return;
      this.#released.add(consumer);
      this.#parts.onReleased(consumer);
      this.#after(TRIAL_MS_MAX, () => {
        if (this.#onTrial === consumer) this.#tryNext();
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
const COMPLETIONS_MAX = 64;

function holdMs({ crashes }: CrashSuspect): number {
  return Math.min(HOLD_MS_MAX, HOLD_MS * HOLD_FACTOR ** Math.max(0, crashes - 1));
}

function hostOf({ definition: { delivery } }: DurableConsumer): string | undefined {
  return delivery.kind === 'webhook' ? URL.parse(delivery.url)?.host : undefined;
}
