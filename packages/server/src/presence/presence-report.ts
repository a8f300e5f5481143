/** A session as its hub reports it to the hub that announces presence. A poller is one, too. */
export interface ReportedSession {
  readonly id: string;
  /** Absent: anonymous. */
  readonly user?: string;
  readonly info?: unknown;
  /** The channels with presence. */
  readonly channels: readonly string[];
}

/** What has changed since an earlier report, or all. */
export interface SessionsReport {
  /** The next question names it. */
  readonly number: number;
  readonly isFull: boolean;
  readonly present: readonly ReportedSession[];
  readonly gone: readonly string[];
}

/** Changes that the asking hub does not have yet. Beyond it, the next report is full. */
const CHANGES_MAX = 20_000;

/**
 * The sessions of one hub that count for presence, with what has changed since the last report.
 * Example: the report 7 has three sessions. One of them ends. The question that knows 7 gets the
 * report 8 with the id of that session. If this answer is lost, the next question knows 7 again,
 * and gets the same in the report 9.
 */
export class PresenceReport {
  readonly #sessions = new Map<string, ReportedSession>();
  #number = 0;
  /** The newest report that the asking hub has. -1: it has none. */
  #acknowledged = -1;
  /** The sessions that have changed since then: in the newest report, and after it. */
  #unacknowledged = new Set<string>();
  #unreported = new Set<string>();

  get size(): number {
    return this.#sessions.size;
  }

  set(session: ReportedSession): void {
    this.#sessions.set(session.id, session);
    this.#change(session.id);
  }

  delete(id: string): void {
    if (this.#sessions.delete(id)) this.#change(id);
  }

  /** @param known the newest report that the asking hub has; `undefined` for none */
  report(known: number | undefined): SessionsReport {
    if (known === this.#number) {
      this.#acknowledged = known;
      this.#unacknowledged = this.#unreported;
      this.#unreported = new Set();
    } else if (known === this.#acknowledged) {
      for (const id of this.#unreported) this.#unacknowledged.add(id);
      this.#unreported.clear();
    } else return this.#full();
    // While answers are lost, they add up.
    if (this.#unacknowledged.size > CHANGES_MAX) return this.#full();
    if (this.#unacknowledged.size > 0) this.#number++;
    const present: ReportedSession[] = [];
    const gone: string[] = [];
    for (const id of this.#unacknowledged) {
      const session = this.#sessions.get(id);
      if (session === undefined) gone.push(id);
      else present.push(session);
    }
    return { number: this.#number, isFull: false, present, gone };
  }

  #full(): SessionsReport {
    this.#reset();
    return { number: this.#number, isFull: true, present: [...this.#sessions.values()], gone: [] };
  }

  #change(id: string): void {
    this.#unreported.add(id);
    if (this.#unreported.size > CHANGES_MAX) this.#reset();
  }

  /** No hub knows a report that a later one could continue. */
  #reset(): void {
    this.#number++;
    this.#acknowledged = -1;
    this.#unacknowledged.clear();
    this.#unreported.clear();
  }
}
