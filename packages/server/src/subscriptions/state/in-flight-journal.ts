/**
 * The in-flight journal is the file `webhooks-in-flight` of a data folder. It exists while a hub
 * runs. An orderly end removes it, unless suspects remain. A hub that finds it knows that a
 * previous process was killed or crashed.
 *
 * After such an end, the hub records each request to an endpoint before it sends it. It erases the
 * record when the request ends. If the process dies again, the next one reads which requests were
 * in flight. Example: `f 0 sub_1 7` is a request in flight to `sub_1` with the event at position 7,
 * after 0 known crashes.
 *
 * - Atomic: one record.
 * - Eventual: durability. Writes are not synced: they survive the end of the process,
 *   but not of the machine.
 * - Owner: one hub. In a home that several hubs share, each hub has a journal of its own.
 */
export interface InFlightJournal {
  /** Subscriptions with requests in flight at the end of a hub that itself began after a crash. */
  readonly suspects: ReadonlyMap<string, CrashSuspect>;
  /**
   * Records a request before it is sent.
   * @returns the slot, for `onEnded`; -1 if the request is not recorded
   */
  onStarted(subscription: string, position: number): number;
  onEnded(slot: number): void;
  /** Removes the suspicion: the requests were sent and the process did not crash. */
  clearSuspect(subscription: string): void;
  /** Ends the recording of requests. */
  stopRecording(): void;
  /**
   * Closes the journal in an orderly shutdown. Suspects that have not been tried remain suspects.
   */
  close(): void;
}

export interface CrashSuspect {
  /** Number of known crashes of the process with this subscription in flight. */
  readonly crashes: number;
  /** Positions of the events that were in flight; 0 for a verification of the endpoint. */
  readonly positions: readonly number[];
}

/** For a hub whose data is in memory only: no later process could read a journal. */
export const NO_JOURNAL: InFlightJournal = {
  suspects: new Map(),
  onStarted: () => -1,
  onEnded: () => undefined,
  clearSuspect: () => undefined,
  stopRecording: () => undefined,
  close: () => undefined,
};
