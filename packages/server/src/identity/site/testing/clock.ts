import type { Clock } from '../../../core/ports.ts';

/** A clock that the test advances. */
export class TestClock implements Clock {
  #nowMs = 1_700_000_000_000;

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - 1_699_999_999_000;
  }

  advance(durationMs: number): void {
    this.#nowMs += durationMs;
  }
}
