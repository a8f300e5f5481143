import { ANONYMOUS } from '../core/access/principal.ts';
import type { ReportedSession, SessionsReport } from './presence-report.ts';
import type { PresenceParts, PresenceTask } from './presence-task.ts';
import type { PresentSession } from './tracked-channels.ts';

/** Refused sessions that a round tries again. The next round tries others. */
const RETRIES_MAX = 1_000;

/** What one hub reports of its own sessions. */
export interface HubReport {
  readonly hub: string;
  readonly report: SessionsReport;
}

/** The sessions of one hub, as of its report with this number. */
interface KnownHub {
  number: number;
  readonly sessions: Map<string, PresentSession>;
  /** Those for which the task has no room. They are tried again. */
  readonly refused: Map<string, ReportedSession>;
}

/** What the hub that announces has of the sessions of each hub, and what its task has been told. */
export class SessionsOfHubs {
  readonly #logger: Pick<PresenceParts['logger'], 'warn'>;
  readonly #hubs = new Map<string, KnownHub>();
  #hasRefused = false;

  constructor(logger: Pick<PresenceParts['logger'], 'warn'>) {
    this.#logger = logger;
  }

  /** The number of the newest report of each hub. */
  get numbers(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#hubs].map(([hub, { number }]) => [hub, number]));
  }

  clear(): void {
    this.#hubs.clear();
  }

  /** Ends the sessions of all other hubs. */
  keep(task: PresenceTask, running: ReadonlySet<string>): void {
    for (const [hub, { sessions }] of this.#hubs) {
      if (running.has(hub)) continue;
      this.#hubs.delete(hub);
      for (const session of sessions.values()) task.closed(session);
    }
  }

  /** Brings the task up to date with a report. */
  take(task: PresenceTask, { hub, report: { number, isFull, present, gone } }: HubReport): void {
    let known = this.#hubs.get(hub);
    if (known === undefined) {
      if (!isFull) return;
      this.#hubs.set(hub, (known = { number, sessions: new Map(), refused: new Map() }));
    }
    const { sessions, refused } = known;
    known.number = number;
    if (isFull) refused.clear();
    else for (const id of gone) refused.delete(id);
    const reported = new Set(isFull ? present.map(({ id }) => id) : []);
    for (const id of isFull ? [...sessions.keys()].filter((each) => !reported.has(each)) : gone) {
      const session = sessions.get(id);
      if (session === undefined) continue;
      sessions.delete(id);
      task.closed(session);
    }
    for (const each of present) this.#enter(task, known, each);
  }

  #enter(task: PresenceTask, { sessions, refused }: KnownHub, reported: ReportedSession): void {
    const { id } = reported;
    const before = sessions.get(id);
    const session = presentSession(reported);
    if (!hasRoom(task, session)) {
      // It is in its earlier channels no more.
      if (before !== undefined) task.closed(before);
      sessions.delete(id);
      refused.delete(id);
      refused.set(id, reported);
      return;
    }
    refused.delete(id);
    sessions.set(id, session);
    if (before === undefined) task.opened(session);
    else task.changed(session, before);
  }

  /** Other sessions have ended meanwhile. A report does not repeat what has not changed. */
  retryRefused(task: PresenceTask): void {
    let left = RETRIES_MAX;
    let count = 0;
    for (const known of this.#hubs.values()) {
      const tried = [...known.refused.values()].slice(0, left);
      left -= tried.length;
      for (const reported of tried) this.#enter(task, known, reported);
      count += known.refused.size;
    }
    if (count > 0 && !this.#hasRefused)
      this.#logger.warn({ sessions: count }, 'presence: limit of members reached, sessions are not announced');
    this.#hasRefused = count > 0;
  }
}

function hasRoom(task: PresenceTask, { principal, channels }: PresentSession): boolean {
  try {
    task.checkCapacity(principal, channels);
    return true;
  } catch {
    return false;
  }
}

function presentSession({ user, info, channels }: ReportedSession): PresentSession {
  return { principal: { ...ANONYMOUS, ...(user !== undefined && { kind: 'user', user, info }) }, channels };
}
