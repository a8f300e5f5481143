/**
 * A circuit breaker stands before each dependency. When half of the recent calls have failed it
 * opens: calls fail at once, and the dependency can recover. After a while one call tests it.
 */
export type CircuitState = 'closed' | 'open' | 'half-open';
export type Outcome = 'ok' | 'failed' | 'timeout' | 'rejected';

const WINDOW_CALLS = 40;
const FAILED_SHARE = 0.5;
const OPEN_MS = 1000;

export class CircuitBreaker {
  state: CircuitState = 'closed';
  #recent: boolean[] = [];
  #openedMs = 0;

  /** Whether a call may go out now. */
  admits(nowMs: number): boolean {
    if (this.state === 'closed') return true;
    if (this.state === 'half-open' || nowMs - this.#openedMs < OPEN_MS) return false;
    this.state = 'half-open';
    return true;
  }

  record(hasFailed: boolean, nowMs: number): void {
    if (this.state === 'half-open') {
      this.state = hasFailed ? 'open' : 'closed';
      this.#recent = [];
    } else if (this.state === 'closed') {
      this.#recent = [...this.#recent.slice(1 - WINDOW_CALLS), hasFailed];
      const failures = this.#recent.filter(Boolean).length;
      if (this.#recent.length === WINDOW_CALLS && failures >= WINDOW_CALLS * FAILED_SHARE) this.state = 'open';
    }
    if (this.state === 'open') this.#openedMs = nowMs;
  }
}
