import type { InFlightJournal, CrashSuspect } from '../state/in-flight-journal.ts';
import type { WebhookConsumer } from './webhook-consumer.ts';

export interface CrashQuarantineParts {
  readonly inFlightJournal: InFlightJournal;
  /** How many times faster the clock runs than real time. */
  readonly speed: number;
  /** Called when a consumer may be tried. */
  readonly onReleased: (consumer: WebhookConsumer) => void;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/**
 * Time from the start of the hub to the first trial. It is 2 s after one recorded crash. Each
 * further crash doubles it, up to 10 minutes.
 */
const HOLD_MS = 2000;
const HOLD_FACTOR = 2;
const HOLD_MS_MAX = 600_000;
/**
 * A suspect without requests, such as a paused one, delays the next suspect by at most this time.
 */
const TRIAL_MS_MAX = 70_000;
/** A hub that has run for this time is in no crash loop: all suspects are cleared. */
const RECORDING_MS_MAX = 600_000;

interface QuarantinedConsumer {
  readonly consumer: WebhookConsumer;
  readonly suspect: CrashSuspect;
  /** Positions that were in flight at the crash and have not been tried since. */
  readonly untried: Set<number>;
  /** Whether it may be tried, or has been. */
  isReleased: boolean;
}

/**
 * The crash quarantine holds back subscriptions that had requests in flight when the process died
 * at least twice in a row. One of their requests may be the cause. The hub serves all other
 * subscriptions first. Then it tries the suspects one after the other, with one request at a time.
 * A trial ends when the requests that were in flight have been answered or have failed, and the
 * process has not died.
 *
 * Example: `sub_1` had requests in flight when a hub died that itself began after a crash. The next
 * hub sends its first request to `sub_1` 2 s after its start, alone.
 */
export class CrashQuarantine {
  readonly #parts: CrashQuarantineParts;
  readonly #quarantined = new Map<WebhookConsumer, QuarantinedConsumer>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #onTrial: WebhookConsumer | undefined;
  #startedMs = 0;
  /** Completed requests of the consumer on trial. */
  #completions = 0;

  constructor(parts: CrashQuarantineParts) {
    this.#parts = parts;
  }

  /** Number of suspects that have not been cleared. */
  get size(): number {
    return this.#quarantined.size;
  }

  /**
   * Quarantines the suspects. Call it before the first request. `find` gives the consumer of an id.
   */
  start(find: (id: string) => WebhookConsumer | undefined): void {
    const { inFlightJournal, logger } = this.#parts;
    this.#startedMs = performance.now();
    for (const [id, suspect] of inFlightJournal.suspects) {
      const consumer = find(id);
      if (consumer === undefined) {
        inFlightJournal.clearSuspect(id);
        continue;
      }
      this.#quarantined.set(consumer, {
        consumer,
        suspect,
        untried: new Set(suspect.positions),
        isReleased: false,
      });
      const { crashes, positions } = suspect;
      logger.warn(
        {
          subscription: id,
          host: URL.parse(consumer.delivery.url)?.host,
          positions: positions.slice(0, NAMED_MAX),
          crashes,
          holdMs: holdMs(suspect),
        },
        'webhooks: the hub crashed while sending to this subscription; its requests are now sent last, one at a time',
      );
    }
    this.#tryNext();
    this.#after(RECORDING_MS_MAX, () => {
      inFlightJournal.stopRecording();
      for (const { consumer } of [...this.#quarantined.values()]) this.remove(consumer);
    });
  }

  /** Whether no request may be sent for this consumer yet. */
  isHeld(primary: WebhookConsumer): boolean {
    return this.#quarantined.get(primary)?.isReleased === false;
  }

  /** Number of requests that a consumer may begin: one at a time during its trial. */
  allowedRequests(primary: WebhookConsumer, available: number): number {
    return this.#quarantined.has(primary) ? Math.min(available, 1 - primary.endpoint.inFlight) : available;
  }

  /** Called when a request was answered or failed, with its positions; 0 for a verification. */
  onCompleted(primary: WebhookConsumer, positions: Iterable<number>): void {
    const quarantined = this.#quarantined.get(primary);
    if (quarantined?.isReleased !== true) return;
    for (const position of positions) quarantined.untried.delete(position);
    if (quarantined.untried.size > 0 && ++this.#completions < quarantined.suspect.positions.length + COMPLETIONS_MAX)
      return;
    this.#parts.logger.info(
      { subscription: primary.id },
      'webhooks: the requests from before the crash ended without another crash, resuming normal deliveries',
    );
    this.remove(primary);
  }

  /** Clears a suspect. */
  remove(consumer: WebhookConsumer): void {
    const quarantined = this.#quarantined.get(consumer);
    if (quarantined === undefined) return;
    this.#quarantined.delete(consumer);
    this.#parts.inFlightJournal.clearSuspect(consumer.id);
    if (!quarantined.isReleased) this.#parts.onReleased(consumer);
    if (this.#onTrial === consumer) {
      this.#onTrial = undefined;
      this.#tryNext();
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Suspects with the fewest crashes come first. */
  #tryNext(): void {
    const waiting = [...this.#quarantined.values()].filter(({ isReleased }) => !isReleased);
    const [next] = waiting.toSorted((one, other) => one.suspect.crashes - other.suspect.crashes);
    if (next === undefined) return;
    const { consumer, suspect } = next;
    this.#onTrial = consumer;
    this.#completions = 0;
    const waitedMs = (performance.now() - this.#startedMs) * this.#parts.speed;
    this.#after(Math.max(0, holdMs(suspect) - waitedMs), () => {
      if (this.#onTrial !== consumer) return;
      next.isReleased = true;
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

/** Most positions of a suspect that a log line names. */
const NAMED_MAX = 20;
/**
 * A trial ends after this number of requests beyond the positions in flight. An event that was in
 * flight at the crash may no longer match.
 */
const COMPLETIONS_MAX = 64;

function holdMs({ crashes }: CrashSuspect): number {
  return Math.min(HOLD_MS_MAX, HOLD_MS * HOLD_FACTOR ** Math.max(0, crashes - 1));
}
