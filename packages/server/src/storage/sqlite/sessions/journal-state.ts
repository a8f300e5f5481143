import { dirname, join } from 'node:path';
import type { Run } from '../../../core/session-journal/change-lines.ts';
import { readFileIfAny, replaceFileSoon } from '../atomic-file.ts';
import { newerFileError } from '../database-file.ts';

/** In the folder of the journal. */
const STATE_FILE = 'journal.json';
/** The version of all files in that folder. */
export const SESSIONS_FORMAT = 2;
/** The runs that are stored. Sessions of older runs have left the ring, or lose their epoch. */
const RUNS_MAX = 1000;

/** A run of the hub with the journal. */
interface StoredRun {
  /** The number of its first session. The others follow, up to the first one of the next run. */
  readonly firstSession: number;
  /** Of its log. */
  readonly epoch: string;
  /** When it wrote last. */
  readonly seenMs: number;
}

/**
 * The file `journal.json`: what the lines of the journal do not say. It is written when a run
 * begins and ends, and in between when no session changes. After a power cut it may be missing.
 * Then the sessions have no epoch.
 */
export interface StoredState {
  readonly format: number;
  /** Every session since this time has been recorded, and none removed. */
  readonly sinceMs: number;
  /** The last run has ended as it should, so the files of all segments are complete. */
  readonly isClosed: boolean;
  /** The oldest first. */
  readonly runs: readonly StoredRun[];
}

/** @throws DataFolderError when a newer version has written it */
export function readState(folder: string): StoredState | undefined {
  const file = join(folder, STATE_FILE);
  const state = parsed(readFileIfAny(file));
  if (state === undefined || !Array.isArray(state.runs)) return undefined;
  if (state.format > SESSIONS_FORMAT) throw newerFileError(file, state.format, SESSIONS_FORMAT, dirname(folder));
  return state;
}

function parsed(text: string | undefined): StoredState | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as StoredState);
  } catch {
    return undefined;
  }
}

/** The runs of the hub, of which the last one is this process. */
export class Runs {
  readonly #folder: string;
  #runs: readonly StoredRun[];

  /** @param earlier the runs that are over */
  constructor(folder: string, earlier: readonly StoredRun[], current: StoredRun) {
    this.#folder = folder;
    this.#runs = [...earlier.filter(({ firstSession }) => firstSession < current.firstSession), current];
  }

  /** `undefined`: it is not stored any more. */
  ofSession(number: number): Run | undefined {
    const index = this.#runs.findLastIndex(({ firstSession }) => firstSession <= number);
    const run = this.#runs[index];
    return run && { ...run, isOver: index < this.#runs.length - 1 };
  }

  /** Writes the state, without the runs of which no session is left. */
  save(oldestSession: number, state: { sinceMs: number; nowMs: number; isClosed: boolean }): void {
    const { sinceMs, nowMs, isClosed } = state;
    this.#runs = this.#runs
      .filter((_, index, runs) => (runs[index + 1]?.firstSession ?? Infinity) > oldestSession)
      .map((run, index, runs) => (index === runs.length - 1 ? { ...run, seenMs: nowMs } : run))
      .slice(-RUNS_MAX);
    const stored: StoredState = { format: SESSIONS_FORMAT, sinceMs, isClosed, runs: this.#runs };
    replaceFileSoon(join(this.#folder, STATE_FILE), JSON.stringify(stored));
  }
}
