import { ERRORS, PolycastError, type ErrorCode } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import type { Position, SharedLog } from '../core/ports.ts';
import { Presence } from '../core/presence/presence.ts';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import type { PresenceSnapshot, StoredPresence } from '../core/presence/presence-types.ts';
import { PresenceReport, type ReportedSession } from './presence-report.ts';
import {
  copyPresence,
  PresenceTask,
  visibleInfo,
  type PresenceParts,
  type PresenceService,
  type PresenceStats,
} from './presence-task.ts';
import { ReportedPollers } from './reported-pollers.ts';
import { SessionsOfHubs, type HubReport } from './sessions-of-hubs.ts';
import { storedDifference } from './stored-difference.ts';
import { checkPresence, TrackedChannels, type PresentSession } from './tracked-channels.ts';

/** A session with its id, as the registry has it. */
type IdentifiedSession = PresentSession & { readonly id?: string };

/** A question of one hub to the others. */
type PresenceQuestion =
  | { readonly kind: 'presence report'; readonly known: Readonly<Record<string, number>> }
  | { readonly kind: 'presence snapshot'; readonly channel: string }
  | { readonly kind: 'presence state' };

type Snapshot = PresenceSnapshot & { readonly position: Position };

/** The announcing hub has no snapshot. */
interface SnapshotRefusal {
  readonly code: ErrorCode;
}

interface PresenceState {
  readonly stored: StoredPresence;
  readonly position: Position;
}

/** The pause between two rounds, in each of which the announcing hub asks all others at once. */
const ASK_INTERVAL_MS = 200;
/**
 * A round waits this long for a hub that does not answer. So an arrival is announced up to 1.2 s
 * late.
 */
const ANSWER_MAX_MS = 1_000;
/** Other hubs keep their copy of what was announced at most this far behind. */
const COPY_INTERVAL_MS = 2_000;
/**
 * A hub begins to announce when it has been the oldest for this long. It has heard all others by
 * then.
 */
const OLDEST_FOR_MS = 1_500;
/**
 * A hub that did nothing for this long has stood still, and another one may have announced
 * meanwhile.
 */
const PAUSE_MAX_MS = 3_000;
/**
 * After this time without a block or an answer to an append, this hub may be cut off. It must not
 * take the others for ended then. It does not announce during a long election of the brokers
 * either.
 */
const SILENT_MAX_MS = 3_000;
/**
 * The presence of all hubs of a cluster (`docs/decisions/0070-presence-of-a-cluster.md`). Each hub
 * has a report of its own sessions. One hub announces: the one that has run longest. It asks the
 * others for their reports, and a `PresenceTask` turns all sessions into events. Example: ann has a
 * stream at A and one at B, and A announces. B is killed. A hears nothing of B for 5 s, so the
 * sessions of B end. Ann does not leave, because A has her other session.
 */
export class ClusterPresence implements PresenceService {
  readonly #parts: PresenceParts;
  readonly #shared: SharedLog;
  readonly #report = new PresenceReport();
  readonly #tracked: TrackedChannels;
  readonly #ids = new WeakMap<object, string>();
  readonly #pollers: ReportedPollers;
  readonly #noMembers: Presence;
  /** Of each task, also of one that begins later. */
  #membersBytesMax: number;
  /** Turns sessions into events. `undefined`: this hub does not announce. */
  #task: PresenceTask | undefined;
  readonly #sessions: SessionsOfHubs;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isFrozen = false;
  #oldestSinceMs: number | undefined;
  #hasStoodStill = false;
  #pauses: NodeJS.Timeout | undefined;
  #copiedMs = -Infinity;
  #published = 0;
  #nextId = 0;
  #hasFailed = false;

  constructor(parts: PresenceParts, shared: SharedLog) {
    this.#parts = parts;
    this.#shared = shared;
    this.#noMembers = new Presence(parts.settings);
    this.#membersBytesMax = parts.settings.membersBytesMax;
    this.#tracked = new TrackedChannels(parts.isTracked, parts.settings.systemEvents);
    this.#sessions = new SessionsOfHubs(parts.logger);
    this.#pollers = new ReportedPollers(parts, this.#tracked, this.#report);
    shared.others.onAsked((question) => this.#answer(question as PresenceQuestion));
  }

  async start(): Promise<void> {
    const { store, log, logger } = this.#parts;
    const { answers } = await this.#ask<PresenceState | null>({ kind: 'presence state' });
    // This hub may be behind those that have answered.
    await this.#shared.reachNewest().catch((error: unknown) => {
      logger.warn({ error: String(error) }, 'presence: this hub may start with an older state');
    });
    const { head } = log.state;
    const newest = answers
      .filter((state) => state !== null && state.position <= head)
      .toSorted((one, other) => (other?.position ?? 0) - (one?.position ?? 0))
      .at(0);
    if (newest !== undefined && newest !== null && newest.position > store.position)
      store.apply(storedDifference(store.load(), newest.stored), newest.position);
    await copyPresence(this.#parts);
    this.#watchPauses();
    this.#schedule();
  }

  setMembersBytesMax(bytesMax: number): void {
    this.#membersBytesMax = bytesMax;
    this.#noMembers.setMembersBytesMax(bytesMax);
    this.#task?.setMembersBytesMax(bytesMax);
  }

  freeze(): void {
    this.#isFrozen = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pauses);
    this.#task?.freeze();
  }

  async close(): Promise<void> {
    this.freeze();
    await this.#running;
    await this.#task?.close();
    this.#parts.store.close();
  }

  get stats(): PresenceStats {
    const stats = this.#task?.stats ?? { channels: 0, published: 0, pending: 0 };
    return { ...stats, published: this.#published + stats.published };
  }

  get held(): PresenceTask['held'] {
    return this.#task?.held ?? this.#noMembers.memoryUsage;
  }

  eraseRemoved(): Promise<void> {
    return this.#parts.store.eraseRemoved();
  }

  /** The hub that announces knows whether all of it is published. */
  async snapshot(channel: string): Promise<Snapshot> {
    checkPresence(this.#parts.isTracked, channel);
    if (this.#task !== undefined) return this.#task.snapshot(channel);
    const { answers } = await this.#ask<Snapshot | SnapshotRefusal | null>({ kind: 'presence snapshot', channel });
    const snapshot = answers.find((answer) => answer !== null);
    if (snapshot !== undefined && !('code' in snapshot)) return snapshot;
    // A hub of a later version may have another code.
    if (snapshot !== undefined && Object.hasOwn(ERRORS, snapshot.code))
      throw new PolycastError(snapshot.code, undefined, { retryAfterMs: 1000 });
    throw new PolycastError('hub_silent', 'The hub that announces presence did not reply.', { retryAfterMs: 1000 });
  }

  /** The hub that announces has the members of all hubs. */
  checkCapacity(principal: Principal, channels: readonly string[]): void {
    this.#task?.checkCapacity(principal, channels);
  }

  isOnline(user: string): boolean {
    return this.#pollers.isOnline(user);
  }

  onlineUsers(): Iterable<string> {
    return this.#pollers.onlineUsers();
  }

  opened(session: IdentifiedSession): void {
    const reported = this.#reported(session);
    if (reported !== undefined) this.#report.set(reported);
  }

  closed(session: IdentifiedSession): void {
    if (!this.#isFrozen) this.#report.delete(this.#idOf(session));
  }

  changed(session: IdentifiedSession): void {
    const reported = this.#reported(session);
    if (reported !== undefined) this.#report.set(reported);
    else this.#report.delete(this.#idOf(session));
  }

  polled(principal: Principal, channels: readonly string[]): void {
    this.#pollers.polled(principal, channels);
  }

  #reported(session: IdentifiedSession): ReportedSession | undefined {
    if (!this.#tracked.isCounted(session)) return undefined;
    const { user, info: given } = session.principal;
    const channels = this.#tracked.of(session.channels);
    const info = user === undefined ? undefined : visibleInfo(given);
    const known = user === undefined ? {} : { user, ...(info !== undefined && { info }) };
    return { id: this.#idOf(session), ...known, channels };
  }

  #idOf(session: IdentifiedSession): string {
    if (session.id !== undefined) return session.id;
    let id = this.#ids.get(session);
    if (id === undefined) this.#ids.set(session, (id = `s${this.#nextId++}`));
    return id;
  }

  get #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  #schedule(): void {
    if (this.#isFrozen) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#tick()
        .then(() => void (this.#hasFailed = false))
        .catch((error: unknown) => {
          if (!this.#hasFailed) this.#parts.logger.warn({ error: String(error) }, 'presence: update failed, retrying');
          this.#hasFailed = true;
        })
        .then(() => this.#schedule());
    }, ASK_INTERVAL_MS);
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    const nowMs = this.#nowMs;
    this.#pollers.endOld();
    const mayHaveMissed = this.#hasStoodStill || this.#shared.silentMs > SILENT_MAX_MS;
    this.#hasStoodStill = false;
    if (mayHaveMissed || !this.#shared.isTrimmer) {
      this.#oldestSinceMs = undefined;
      await this.#stop();
    } else this.#oldestSinceMs ??= nowMs;
    if (this.#oldestSinceMs !== undefined && nowMs - this.#oldestSinceMs >= OLDEST_FOR_MS) return this.#collect();
    if (nowMs - this.#copiedMs < COPY_INTERVAL_MS) return;
    await copyPresence(this.#parts);
    this.#copiedMs = nowMs;
  }

  /** Whether the process was paused: another hub may have announced meanwhile. */
  #watchPauses(): void {
    let lastMs = this.#nowMs;
    this.#pauses = setInterval(() => {
      const nowMs = this.#nowMs;
      if (nowMs - lastMs > PAUSE_MAX_MS) this.#hasStoodStill = true;
      lastMs = nowMs;
    }, ASK_INTERVAL_MS);
    this.#pauses.unref();
  }

  /** Brings the task up to date with the sessions of all hubs. */
  async #collect(): Promise<void> {
    const { self } = this.#shared.others;
    const { answers } = await this.#ask<HubReport | null>({
      kind: 'presence report',
      known: this.#sessions.numbers,
    });
    if (this.#isFrozen || this.#hasStoodStill || !this.#shared.isTrimmer) return;
    const task = this.#task ?? (await this.#begin());
    const reports = answers.filter((answer) => answer !== null);
    const own = { hub: self, report: this.#report.report(this.#sessions.numbers[self]) };
    for (const report of [...reports, own]) this.#sessions.take(task, report);
    this.#sessions.keep(task, new Set([self, ...this.#shared.others.names, ...reports.map(({ hub }) => hub)]));
    this.#sessions.retryRefused(task);
  }

  /** From now on this hub announces. It continues what the one before it has announced. */
  async #begin(): Promise<PresenceTask> {
    await this.#shared.reachNewest();
    const task = new PresenceTask({ ...this.#parts, store: withoutClosing(this.#parts.store) });
    await task.start();
    task.setMembersBytesMax(this.#membersBytesMax);
    this.#task = task;
    this.#parts.logger.info({}, 'presence: this hub announces it for the cluster');
    return task;
  }

  async #stop(): Promise<void> {
    const task = this.#task;
    if (task === undefined) return;
    this.#task = undefined;
    this.#sessions.clear();
    this.#published += task.stats.published;
    await task.close();
  }

  #ask<Answer>(question: PresenceQuestion): Promise<{ readonly answers: readonly Answer[] }> {
    return this.#shared.others.ask<Answer>(question, ANSWER_MAX_MS);
  }

  #answer(question: PresenceQuestion): unknown {
    switch (question.kind) {
      case 'presence report': {
        const { self } = this.#shared.others;
        return { hub: self, report: this.#report.report(question.known[self]) } satisfies HubReport;
      }
      case 'presence snapshot':
        return this.#task?.snapshot(question.channel).catch(refusalOf) ?? null;
      case 'presence state':
        return { stored: this.#parts.store.load(), position: this.#parts.store.position } satisfies PresenceState;
      default:
        return undefined;
    }
  }
}

function refusalOf(error: unknown): SnapshotRefusal | null {
  return error instanceof PolycastError ? { code: error.code } : null;
}

/** The store outlives the task. */
function withoutClosing(store: PresenceStore): PresenceStore {
  return {
    get position() {
      return store.position;
    },
    get isBusy() {
      return store.isBusy;
    },
    apply: (changes, position) => store.apply(changes, position),
    load: () => store.load(),
    eraseRemoved: () => store.eraseRemoved(),
    close: () => undefined,
  };
}
