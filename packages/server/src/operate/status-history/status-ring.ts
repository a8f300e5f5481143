/**
 * A status ring holds the numbers of a hub over time, in rows of equal steps. Example: a ring with
 * 720 rows of 5 seconds holds the last hour. The place of a row follows from its time, so a ring
 * needs no pointer, and its file is valid at any moment.
 */
export interface RingForm {
  readonly stepMs: number;
  readonly rows: number;
}

/** How a value joins those of its step. */
export type JoinKind = 'count' | 'gauge' | 'latest';

/** Rows whose values share an array. The first of them makes it, so a new hub has few. */
const BLOCK_ROWS = 48;

/** The rows of one step length. */
export class StatusRing {
  readonly form: RingForm;
  readonly #kinds: readonly JoinKind[];
  /** The start of each row's step, milliseconds since 1970; 0 for a row that is empty. */
  readonly #times: Float64Array;
  readonly #blocks: (Float32Array | undefined)[] = [];

  constructor(form: RingForm, kinds: readonly JoinKind[]) {
    this.form = form;
    this.#kinds = kinds;
    this.#times = new Float64Array(form.rows);
  }

  /** Adds values to the step of a time. */
  add(timeMs: number, values: readonly number[]): void {
    const { stepMs } = this.form;
    const startMs = Math.floor(timeMs / stepMs) * stepMs;
    const row = this.#rowOf(startMs);
    const isNew = this.#times[row] !== startMs;
    this.#times[row] = startMs;
    const present = this.#valuesOf(row);
    for (const [index, kind] of this.#kinds.entries()) {
      const value = values[index] ?? Number.NaN;
      present[index] = isNew ? value : join(kind, present[index] ?? Number.NaN, value);
    }
  }

  /** The values of the step that begins at a time; `undefined` when nothing is known of it. */
  row(startMs: number): Float32Array | undefined {
    const row = this.#rowOf(startMs);
    if (this.#times[row] !== startMs) return undefined;
    return this.#valuesOf(row);
  }

  /** Restores a row from a file. */
  restore(startMs: number, values: readonly number[]): void {
    const row = this.#rowOf(startMs);
    if (startMs % this.form.stepMs !== 0 || startMs < (this.#times[row] ?? 0)) return;
    this.#times[row] = startMs;
    const restored = this.#valuesOf(row);
    for (let index = 0; index < restored.length; index++) restored[index] = values[index] ?? Number.NaN;
  }

  /** The starts of all steps from a time on that the ring knows, in order. */
  starts(fromMs: number, untilMs: number): readonly number[] {
    const { stepMs, rows } = this.form;
    const last = Math.floor(untilMs / stepMs) * stepMs;
    const first = Math.max(Math.ceil(fromMs / stepMs) * stepMs, last - (rows - 1) * stepMs);
    const starts: number[] = [];
    for (let startMs = first; startMs <= last; startMs += stepMs)
      if (this.#times[this.#rowOf(startMs)] === startMs) starts.push(startMs);
    return starts;
  }

  #valuesOf(row: number): Float32Array {
    const { length } = this.#kinds;
    const values = (this.#blocks[Math.floor(row / BLOCK_ROWS)] ??= new Float32Array(BLOCK_ROWS * length));
    const first = (row % BLOCK_ROWS) * length;
    return values.subarray(first, first + length);
  }

  #rowOf(startMs: number): number {
    return Math.floor(startMs / this.form.stepMs) % this.form.rows;
  }
}

function join(kind: JoinKind, present: number, value: number): number {
  if (Number.isNaN(present)) return value;
  if (Number.isNaN(value)) return present;
  if (kind === 'latest') return value;
  return kind === 'count' ? present + value : Math.max(present, value);
}
