import { fileBytes } from '../../database-file.ts';
import type { LogFiles } from '../log-files.ts';

/** Counters of the writer since it opened. `channels` and `events` are what the log holds. */
const NAMES = [
  'commits',
  'commitMsSum',
  'commitsOver5Ms',
  'commitsOver50Ms',
  'records',
  'walBytes',
  'databaseBytes',
  'channels',
  'events',
  'checkpoints',
  'settles',
  'housekeepingFailures',
] as const;

type Name = (typeof NAMES)[number];

/**
 * The writer's counters in shared memory. The main thread reads them directly, and no answer to a
 * commit carries them.
 */
export class WriterCounters {
  readonly #values: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(NAMES.length * Float64Array.BYTES_PER_ELEMENT)) {
    this.#values = new Float64Array(buffer);
  }

  get buffer(): SharedArrayBuffer {
    return this.#values.buffer as SharedArrayBuffer;
  }

  get(name: Name): number {
    return this.#values[NAMES.indexOf(name)] as number;
  }

  set(name: Name, value: number): void {
    this.#values[NAMES.indexOf(name)] = value;
  }

  add(name: Name, value: number): void {
    this.set(name, this.get(name) + value);
  }

  countCommit(durationMs: number): void {
    this.add('commits', 1);
    this.add('commitMsSum', durationMs);
    if (durationMs > 5) this.add('commitsOver5Ms', 1);
    if (durationMs > 50) this.add('commitsOver50Ms', 1);
  }

  measure({ database }: LogFiles): void {
    this.set('databaseBytes', fileBytes(database));
    this.set('walBytes', fileBytes(database + '-wal'));
  }

  read(): Readonly<Record<Name, number>> {
    return Object.fromEntries(NAMES.map((name) => [name, this.get(name)])) as Record<Name, number>;
  }
}
