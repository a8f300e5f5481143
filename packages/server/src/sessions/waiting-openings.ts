import type { Principal } from '../core/access/principal.ts';
import type { Interest } from '../core/interests/interest.ts';
import type { Position } from '../core/ports.ts';
import type { RecordedSession } from '../auth/sessions.ts';

/**
 * Sessions that have opened, and whose records are not made yet. A crowd connects at once, and its
 * connections have work that cannot wait. So an opening only notes what may change later, without a
 * new object. A second later, the records of all are made in one go.
 *
 * It holds live sessions only: before a session ends, its record is made.
 */
export class WaitingOpenings {
  readonly #sessions: RecordedSession[] = [];
  readonly #principals: Principal[] = [];
  readonly #interests: Interest[] = [];
  readonly #addresses: string[] = [];
  readonly #positions: Position[] = [];
  readonly #timesMs: number[] = [];
  /** The place of the oldest one that is not taken. */
  #next = 0;

  get count(): number {
    return this.#sessions.length - this.#next;
  }

  /** With those that were taken and are still held. */
  get heldCount(): number {
    return this.#sessions.length;
  }

  /** Whether the opening of the session with this number waits. */
  has(number: number): boolean {
    return number >= (this.#sessions[this.#next]?.journalNumber ?? Infinity);
  }

  /** Adds a session that has its number, which is above those of the others. */
  add(session: RecordedSession, nowMs: number): void {
    this.#sessions.push(session);
    this.#principals.push(session.principal);
    this.#interests.push(session.interest);
    this.#addresses.push(session.address);
    this.#positions.push(session.position);
    this.#timesMs.push(nowMs);
  }

  /** Gives some to `record` and removes them, the oldest first. */
  take(countMax: number, record: (opening: Opening) => void): void {
    const end = Math.min(this.#sessions.length, this.#next + countMax);
    while (this.#next < end) {
      const index = this.#next++;
      record({
        session: this.#sessions[index] as RecordedSession,
        principal: this.#principals[index] as Principal,
        interest: this.#interests[index] as Interest,
        address: this.#addresses[index] as string,
        position: this.#positions[index] as Position,
        timeMs: this.#timesMs[index] as number,
      });
    }
    if (this.#next === this.#sessions.length || this.#next >= TAKEN_MAX) this.#forgetTaken();
  }

  #forgetTaken(): void {
    const columns = [this.#principals, this.#interests, this.#addresses, this.#positions, this.#timesMs];
    for (const column of [this.#sessions, ...columns]) column.splice(0, this.#next);
    this.#next = 0;
  }
}

/** Taken ones that are removed when others still wait. */
const TAKEN_MAX = 4096;

/** A session as it was when it opened. */
export interface Opening {
  readonly session: RecordedSession;
  readonly principal: Principal;
  readonly interest: Interest;
  readonly address: string;
  readonly position: Position;
  readonly timeMs: number;
}
