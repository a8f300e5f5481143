import { parseCursor, PolycastError } from '@polycast/protocol';
import {
  isDataOfUser,
  namesOf,
  searchedPattern,
  type ErasableEvent,
  type ErasedEvents,
  type ErasedNames,
  type Erasure,
  type ErasureKind,
} from '../core/erasure.ts';
import { assertInvariant } from '../core/primitives/invariant.ts';
import {
  ERASED_EVENTS_MAX,
  type Clock,
  type Log,
  type Position,
  type ReadPage,
  type StoredRecord,
} from '../core/ports.ts';
import type { Actor, AuditRecord } from '../core/audit.ts';

/** The pause between two steps, so that appends can run: the same as of retention. */
const STEP_PAUSE_MS = 5;
/** The pause while a reader of the file, such as a backup, holds back the last step. */
const BUSY_PAUSE_MS = 200;
/** Bytes of events in one page that is examined. */
const PAGE_BYTES_MAX = 1024 * 1024;
/** The pause after a failure. */
const RETRY_MS = 5_000;
/** Finished erasures that are shown. */
const FINISHED_MAX = 1_000;
/** Erasures that wait, at most: each is small, and is loaded at every start. */
const PENDING_MAX = 1_000;

/** A part of the hub that holds events, or names, beside the log. */
export interface ErasureParticipant {
  /** Before the log erases these events. What is deleted here is durable when it resolves. */
  prepare?(events: ErasedEvents): Promise<void>;
  /** After the log has erased them. */
  release?(events: ErasedEvents): void;
  /** After all events: deletes what names the channel or the user. */
  eraseNames?(names: ErasedNames): Promise<void>;
}

/** The stored requests. */
export interface ErasureRequests {
  readonly pending: readonly Erasure[];
  /** Stores a request with its entry in the audit log. Durable when it resolves. */
  add(erasure: Erasure, record: AuditRecord): Promise<void>;
  /** Removes a request that is finished, with an entry in the audit log. */
  finish(id: string, record: AuditRecord): Promise<void>;
}

export interface ErasureTaskParts {
  readonly log: Log;
  readonly requests: ErasureRequests;
  readonly participants: readonly ErasureParticipant[];
  readonly clock: Clock;
  /** An unguessable name. */
  readonly token: () => string;
  readonly onError: (error: unknown) => void;
}

/** An erasure and how far it is. */
export interface ErasureStatus {
  readonly erasure: Erasure;
  readonly state: 'pending' | 'running' | 'finished';
  /** Events that were erased since this process began. */
  readonly events: number;
  /** Positions have been examined up to here. */
  readonly reached: Position;
  readonly finishedMs: number | undefined;
}

/**
 * Carries out erasures, one after the other, in small steps. A request is stored before it is
 * answered, and every step can be repeated. So an erasure that a crash ends is finished after the
 * restart.
 *
 * One step: the participants delete what they hold of up to 256 events, then the log erases them,
 * then the participants drop them from memory. In the end names are erased, and the log overwrites
 * what its files hold of removed events.
 */
export class ErasureTask {
  readonly #parts: ErasureTaskParts;
  /** By id, the oldest first. */
  readonly #statuses = new Map<string, ErasureStatus>();
  #running: Promise<void> | undefined;
  #isStarted = false;
  #closed = false;
  #wakeUp: (() => void) | undefined;

  constructor(parts: ErasureTaskParts) {
    this.#parts = parts;
    for (const erasure of parts.requests.pending) this.#statuses.set(erasure.id, pendingStatus(erasure));
  }

  /** Erasures that are not finished. */
  get pendingCount(): number {
    return this.#pending().length;
  }

  get(id: string): ErasureStatus | undefined {
    return this.#statuses.get(id);
  }

  /** The oldest first. */
  list(): readonly ErasureStatus[] {
    return [...this.#statuses.values()];
  }

  /** In a cluster, other hubs may have stored requests since this task was created. */
  start(): void {
    this.#isStarted = true;
    for (const erasure of this.#parts.requests.pending)
      if (!this.#statuses.has(erasure.id)) this.#statuses.set(erasure.id, pendingStatus(erasure));
    this.#runSoon();
  }

  /**
   * Stores a request. It is carried out soon, also after a restart.
   * @throws PolycastError `not_found` for an event that is not of this log; `overloaded`;
   * errors of the store
   */
  async request(kind: ErasureKind, name: string, by: Actor): Promise<ErasureStatus> {
    const { log, clock, requests, token } = this.#parts;
    const { epoch, head } = log.state;
    const same = this.#pending().find(({ erasure }) => erasure.kind === kind && erasure.name === name);
    if (same !== undefined && same.state === 'pending' && same.erasure.through === head) return same;
    if (this.pendingCount >= PENDING_MAX)
      throw new PolycastError('overloaded', `${PENDING_MAX} erasures wait already.`, { retryAfterMs: 60_000 });
    const range = kind === 'event' ? rangeOfEvent(name, epoch, head) : { after: 0, through: head };
    const erasure: Erasure = { id: `era_${token()}`, kind, name, epoch, ...range, requestedMs: clock.nowMs(), by };
    const detail = { kind, erasure: erasure.id };
    await requests.add(erasure, { action: 'erasure.requested', subject: name, by, detail });
    const status = pendingStatus(erasure);
    this.#statuses.set(erasure.id, status);
    this.#runSoon();
    return status;
  }

  /** Stops after the step in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeUp?.();
    await this.#running;
  }

  #pending(): readonly ErasureStatus[] {
    return this.list().filter(({ state }) => state !== 'finished');
  }

  #runSoon(): void {
    if (!this.#isStarted || this.#closed) return;
    this.#running ??= this.#runAll().finally(() => {
      this.#running = undefined;
    });
  }

  async #runAll(): Promise<void> {
    for (let [next] = this.#pending(); next !== undefined && !this.#closed; [next] = this.#pending()) {
      try {
        await this.#run(next.erasure);
      } catch (error) {
        if (this.#closed) return;
        this.#parts.onError(error);
        await this.#pause(RETRY_MS);
      }
    }
  }

  async #run(erasure: Erasure): Promise<void> {
    const { log, requests, clock, participants } = this.#parts;
    this.#update(erasure, { state: 'running' });
    // From here on, what the participants delete in the file of a shared log is overwritten, too.
    await log.erasing.erase({ positions: [], channels: [] });
    await this.#eraseEvents(erasure);
    if (this.#closed) return;
    const names = namesOf(erasure);
    await log.erasing.erase({ positions: [], channels: names.channels, user: names.user });
    for (const participant of participants) await participant.eraseNames?.(names);
    await this.#overwrite();
    if (this.#closed) return;
    const { events = 0 } = this.#statuses.get(erasure.id) ?? {};
    const { id, kind, name, by } = erasure;
    await requests.finish(id, { action: 'erasure.finished', subject: name, by, detail: { kind, erasure: id, events } });
    this.#update(erasure, { state: 'finished', finishedMs: clock.nowMs(), reached: erasure.through });
    this.#dropOldest();
  }

  async #eraseEvents(erasure: Erasure): Promise<void> {
    const { log } = this.#parts;
    const { epoch, epochStart } = log.state;
    // Another epoch has the same events up to its start: none, if the log was wiped.
    const through = erasure.epoch === epoch ? erasure.through : Math.min(erasure.through, epochStart);
    for (let { after } = erasure; after < through && !this.#closed;) {
      const page: ReadPage = await log.read({
        patterns: [searchedPattern(erasure)],
        types: undefined,
        after,
        through,
        direction: 'forward',
        limit: ERASED_EVENTS_MAX,
        bytesMax: PAGE_BYTES_MAX,
      });
      await this.#eraseOf(erasure, page.records);
      const reached = Math.max(page.reached, page.corruptThrough);
      assertInvariant(reached > after, 'erasure: each page examines at least one position');
      after = reached;
      this.#update(erasure, { reached: after });
      if (after < through) await this.#pause(STEP_PAUSE_MS);
    }
  }

  async #eraseOf(erasure: Erasure, records: readonly StoredRecord[]): Promise<void> {
    const { log, participants } = this.#parts;
    const erased = records.filter((record) => isErased(erasure, record));
    if (erased.length === 0) return;
    const positions = erased.map(({ position }) => position);
    const events = { positions, channels: new Set(erased.map(({ channel }) => channel)) };
    for (const participant of participants) await participant.prepare?.(events);
    const count = await log.erasing.erase({ positions, channels: [] });
    for (const participant of participants) participant.release?.(events);
    this.#update(erasure, { events: (this.#statuses.get(erasure.id)?.events ?? 0) + count });
  }

  async #overwrite(): Promise<void> {
    while (!this.#closed) {
      const result = await this.#parts.log.erasing.overwrite();
      if (result === 'done') return;
      if (result === 'no_room')
        throw new PolycastError('log_full', 'The disk has no room to empty the write-ahead log.');
      await this.#pause(result === 'busy' ? BUSY_PAUSE_MS : STEP_PAUSE_MS);
    }
  }

  #update(erasure: Erasure, changes: Partial<ErasureStatus>): void {
    this.#statuses.set(erasure.id, { ...(this.#statuses.get(erasure.id) ?? pendingStatus(erasure)), ...changes });
  }

  #dropOldest(): void {
    const finished = this.list().filter(({ state }) => state === 'finished');
    for (const { erasure } of finished.slice(0, Math.max(0, finished.length - FINISHED_MAX)))
      this.#statuses.delete(erasure.id);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function pendingStatus(erasure: Erasure): ErasureStatus {
  return { erasure, state: 'pending', events: 0, reached: erasure.after, finishedMs: undefined };
}

function isErased({ kind, name }: Erasure, { channel, body }: StoredRecord): boolean {
  if (kind !== 'user') return true;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // Most events do not name the user at all.
  return isDataOfUser(name, channel, () =>
    bytes.includes(JSON.stringify(name)) ? (JSON.parse(`{${bytes.toString()}`) as ErasableEvent) : NOTHING,
  );
}

const NOTHING: ErasableEvent = {};

function rangeOfEvent(id: string, epoch: string, head: Position): Pick<Erasure, 'after' | 'through'> {
  const cursor = parseCursor(id);
  if (cursor === undefined || cursor.position === 0 || cursor.epoch !== epoch || cursor.position > head)
    throw new PolycastError('not_found', 'There is no event with this id in the present log.');
  return { after: cursor.position - 1, through: cursor.position };
}
