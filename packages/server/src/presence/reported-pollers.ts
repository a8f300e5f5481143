import type { Principal } from '../core/access/principal.ts';
import type { PresenceReport, ReportedSession } from './presence-report.ts';
import { visibleInfo, type PresenceParts } from './presence-task.ts';
import type { TrackedChannels } from './tracked-channels.ts';

/** Pollers of one hub. Further ones do not count as present. */
const POLLERS_MAX = 50_000;
const NO_CHANNELS: readonly string[] = [];

/** A user who polls. */
interface Poller {
  /** The time at which the poller ends. */
  readonly untilMs: number;
  readonly info: unknown;
}

/**
 * The users who poll at this hub, as sessions of its report. Each poll prolongs them. They end when
 * the next call looks, because the timing wheel belongs to `PresenceTask`.
 */
export class ReportedPollers {
  readonly #parts: Pick<PresenceParts, 'clock' | 'settings'>;
  readonly #tracked: TrackedChannels;
  readonly #report: PresenceReport;
  /** In the order of their ends. */
  readonly #pollers = new Map<string, Poller>();

  constructor(parts: Pick<PresenceParts, 'clock' | 'settings'>, tracked: TrackedChannels, report: PresenceReport) {
    this.#parts = parts;
    this.#tracked = tracked;
    this.#report = report;
  }

  polled({ user, info }: Principal, channels: readonly string[]): void {
    if (user === undefined) return;
    this.#poll({ id: pollerId(user, NO_CHANNELS), user, channels: NO_CHANNELS });
    for (const channel of this.#tracked.of(channels))
      this.#poll({ id: pollerId(user, [channel]), user, info: visibleInfo(info), channels: [channel] });
  }

  isOnline(user: string): boolean {
    this.endOld();
    return this.#pollers.has(pollerId(user, NO_CHANNELS));
  }

  *onlineUsers(): Generator<string> {
    this.endOld();
    for (const id of this.#pollers.keys()) {
      const [user, channels] = JSON.parse(id) as [string, readonly string[]];
      if (channels.length === 0) yield user;
    }
  }

  endOld(): void {
    const nowMs = this.#nowMs;
    for (const [id, { untilMs }] of this.#pollers) {
      if (untilMs > nowMs) return;
      this.#pollers.delete(id);
      this.#report.delete(id);
    }
  }

  #poll(session: ReportedSession): void {
    this.endOld();
    const { id, info } = session;
    const known = this.#pollers.get(id);
    if (known === undefined && this.#pollers.size >= POLLERS_MAX) return;
    const isReported = known !== undefined && isSameInfo(known.info, info);
    if (!isReported) this.#report.set(session);
    this.#pollers.delete(id);
    // The report has the info that it was given first.
    const untilMs = this.#nowMs + this.#parts.settings.pollGraceMs;
    this.#pollers.set(id, { untilMs, info: isReported ? known.info : info });
  }

  get #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}

function pollerId(user: string, channels: readonly string[]): string {
  return JSON.stringify([user, channels]);
}

function isSameInfo(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
