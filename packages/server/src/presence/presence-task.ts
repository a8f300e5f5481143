import { formatTime, PolycastError } from '@polycast/protocol';
import type { Clock, Log, Logger, Position, StoredRecord } from '../core/ports.ts';
import { Presence } from '../core/presence/presence.ts';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import type { PresenceSettings, PresenceSnapshot, PresenceView } from '../core/presence/presence-types.ts';
import {
  PRESENCE_PATTERNS,
  parsePresenceChange,
  presenceEvent,
  type PresenceChange,
} from '../core/presence/presence-events.ts';
import type { Principal } from '../core/access/principal.ts';
import type { Publisher, PublishRequest, PublishResult } from '../core/publish.ts';
import { checkPresence, TrackedChannels, type IsTracked, type PresentSession } from './tracked-channels.ts';
import { ticksOf, type WheelTimer, type TimingWheel } from '../core/primitives/timing-wheel.ts';

export interface PresenceStats {
  /** Channels with at least one member. */
  readonly channels: number;
  /** Changes that were published since the start of the hub. */
  readonly published: number;
  /** Changes that are not published yet. */
  readonly pending: number;
}

export interface PresenceParts {
  readonly settings: PresenceSettings;
  readonly isTracked: IsTracked;
  readonly publisher: Publisher;
  readonly log: Log;
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  readonly store: PresenceStore;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** The bound on changes in one publish. A channel that is listed again may exceed it. */
const CHANGES_PER_TURN = 1000;
/** The time before a failed publish is repeated. */
const RETRY_MS = 1000;
/**
 * The bound on a user's `info`, in characters of JSON. Longer values are left out: every member of
 * a channel would receive them, repeatedly.
 */
const INFO_LENGTH_MAX = 4096;

/**
 * Runs presence (PROTOCOL.md section 13.6): it turns sessions that open and close into events.
 * Example: Ada opens her first session with `room.7`. An event on her arrival is published, and
 * then stored.
 *
 * It does not depend on deliveries. It ignores channels without presence.
 * `core/presence/presence.ts` decides which changes to publish.
 */
export class PresenceTask implements WheelTimer, PresenceView {
  readonly #parts: PresenceParts;
  readonly #presence: Presence;
  readonly #tracked: TrackedChannels;
  /**
   * Changes that are being published, or wait for a retry. No further changes are taken until they
   * are durable.
   */
  #pending: readonly PresenceChange[] = [];
  #publishing: Promise<void> | undefined;
  #isWoken = false;
  /** Whether the log has changes that the store lacks. */
  #isBehind = false;
  #isFrozen = false;
  #publishedCount = 0;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    this.#presence = new Presence(parts.settings);
    this.#tracked = new TrackedChannels(parts.isTracked, parts.settings.systemEvents);
  }

  /**
   * Restores the presence that was published before a restart. Await it before the first session.
   */
  async start(): Promise<void> {
    await copyPresence(this.#parts);
    this.#presence.restore(this.#parts.store.load(), this.#nowMs);
    this.#wake();
  }

  /** Sets another bound on the memory of members. */
  setMembersBytesMax(bytesMax: number): void {
    this.#presence.setMembersBytesMax(bytesMax);
  }

  /** Stops publishing. Later changes would describe the hub's shutdown, not its users. */
  freeze(): void {
    this.#isFrozen = true;
    this.#parts.wheel.cancel(this);
  }

  get stats(): PresenceStats {
    return {
      channels: this.#presence.size,
      published: this.#publishedCount,
      pending: this.#pending.length + this.#presence.pendingCount,
    };
  }

  /** Resolves when no publish is in flight. Await it before closing the log. */
  async close(): Promise<void> {
    this.freeze();
    await this.#publishing;
    this.#parts.store.close();
  }

  async snapshot(channel: string): Promise<PresenceSnapshot & { readonly position: Position }> {
    checkPresence(this.#parts.isTracked, channel);
    while (this.#publishing !== undefined) await this.#publishing;
    if (this.#pending.length > 0)
      throw new PolycastError('log_unavailable', 'The presence changes cannot be published at the moment.', {
        retryAfterMs: RETRY_MS,
      });
    return { ...this.#presence.snapshot(channel), position: this.#parts.log.state.head };
  }

  checkCapacity({ user, key }: Principal, channels: readonly string[]): void {
    if (key !== undefined || this.#presence.hasCapacity(this.#tracked.of(channels), user)) return;
    throw new PolycastError('overloaded', 'The hub has reached its limit of presence members.', {
      retryAfterMs: 5000,
    });
  }

  /** Leaves no byte on the disk of users and channels that are present no more. */
  eraseRemoved(): Promise<void> {
    return this.#parts.store.eraseRemoved();
  }

  /** The memory that clients can fill. */
  get held(): Presence['memoryUsage'] {
    return this.#presence.memoryUsage;
  }

  isOnline(user: string): boolean {
    return this.#presence.isOnline(user);
  }

  onlineUsers(): Iterable<string> {
    return this.#presence.onlineUsers();
  }

  opened(session: PresentSession): void {
    if (this.#tracked.isCounted(session)) this.#enter(session);
  }

  closed(session: PresentSession): void {
    if (!this.#isFrozen && this.#tracked.isCounted(session)) this.#leave(session);
  }

  changed(session: PresentSession, before: PresentSession): void {
    // Enter the new channels first: a channel in both lists must not see the session leave.
    this.opened(session);
    this.closed(before);
  }

  polled({ user, info }: Principal, channels: readonly string[]): void {
    if (user === undefined) return;
    const nowMs = this.#nowMs;
    this.#presence.pollUser(user, nowMs);
    for (const channel of this.#tracked.of(channels)) this.#presence.poll(channel, user, visibleInfo(info), nowMs);
    this.#wake();
  }

  /** A change may be due. */
  onTimer(): void {
    this.#presence.advance(this.#nowMs);
    this.#wake();
  }

  get #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  #enter({ principal: { user, info }, channels }: PresentSession): void {
    const nowMs = this.#nowMs;
    if (user !== undefined && this.#parts.settings.systemEvents) this.#presence.connect(user, nowMs);
    for (const channel of this.#tracked.of(channels))
      this.#presence.enter(channel, user, user === undefined ? undefined : visibleInfo(info), nowMs);
    this.#wake();
  }

  #leave({ principal: { user }, channels }: PresentSession): void {
    const nowMs = this.#nowMs;
    if (user !== undefined && this.#parts.settings.systemEvents) this.#presence.disconnect(user, nowMs);
    for (const channel of this.#tracked.of(channels)) this.#presence.leave(channel, user, nowMs);
    this.#wake();
  }

  /** Publishes the changes of this turn of the event loop together. */
  #wake(): void {
    if (this.#isWoken || this.#isFrozen || this.#publishing !== undefined) return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.#publishPending();
    });
  }

  #publishPending(): void {
    if (this.#isFrozen) return;
    const nowMs = this.#nowMs;
    this.#presence.advance(nowMs);
    if (this.#pending.length === 0)
      this.#pending = this.#presence.takeChanges(CHANGES_PER_TURN, nowMs, this.#parts.clock.nowMs());
    if (this.#pending.length === 0) return this.#scheduleWake(this.#presence.nextMs - nowMs);
    this.#publishing = this.#publish()
      .catch(this.#onPublishFailure)
      .then(() => {
        this.#publishing = undefined;
        // Callers of `snapshot` continue before the next publish begins.
        if (this.#pending.length > 0) this.#scheduleWake(RETRY_MS);
        else this.#wake();
      });
  }

  #scheduleWake(durationMs: number): void {
    if (durationMs < Infinity && !this.#isFrozen) this.#parts.wheel.schedule(this, ticksOf(durationMs));
  }

  /** An unexpected failure: the pending changes are lost, and later changes are published. */
  readonly #onPublishFailure = (error: unknown): void => {
    this.#pending = [];
    this.#parts.logger.warn({ error: String(error) }, 'presence: publishing failed, changes are lost');
  };

  /** Publishes the pending changes. Changes that have to be repeated remain pending. */
  async #publish(): Promise<void> {
    const { publisher, logger } = this.#parts;
    const results = await publisher.publish(this.#pending.map(requestOf));
    const published: PresenceChange[] = [];
    const retryable: PresenceChange[] = [];
    let position = 0;
    for (const [index, change] of this.#pending.entries()) {
      const result = results[index] as PublishResult;
      if (result.ok) {
        published.push(change);
        position = result.position;
      } else if (isTransient(result.error)) retryable.push(change);
      else logger.warn({ change, code: result.error.code }, 'presence: a change was refused and is lost');
    }
    if (retryable.length > 0) logger.warn({ count: retryable.length }, 'presence: publishing failed, retrying');
    this.#pending = retryable;
    this.#publishedCount += published.length;
    if (published.length > 0) await this.#store(published, position);
  }

  async #store(published: readonly PresenceChange[], position: Position): Promise<void> {
    const { store, logger } = this.#parts;
    // A later call copies them from the log.
    if (store.isBusy) return void (this.#isBehind = true);
    try {
      if (this.#isBehind) await copyPresence(this.#parts);
      else store.apply(published, position);
      this.#isBehind = false;
    } catch (error) {
      if (!this.#isBehind) logger.warn({ error: String(error) }, 'presence store: write failed, retrying');
      this.#isBehind = true;
    }
  }
}

/** The part that a hub has, whether it announces presence alone or with other hubs. */
export type PresenceService = Pick<PresenceTask, Exclude<keyof PresenceTask, keyof WheelTimer>>;

/** Copies the changes that the store lacks from the log. */
export async function copyPresence({ log, store }: Pick<PresenceParts, 'log' | 'store'>): Promise<void> {
  const { head } = log.state;
  for (let after = store.position; after < head;) {
    const page = await log.read({
      patterns: PRESENCE_PATTERNS,
      types: undefined,
      after,
      through: head,
      direction: 'forward',
      limit: 1000,
      bytesMax: Infinity,
    });
    store.apply(page.records.flatMap(storedChangesOf), page.reached);
    after = page.reached;
  }
}

function requestOf(change: PresenceChange): PublishRequest {
  const { channel, type, data } = presenceEvent(change, formatTime);
  return { channel, type, content: `"data":${JSON.stringify(data)}`, idempotencyKey: undefined, ifMatch: undefined };
}

/**
 * Whether the log may accept the change later. `channel_limit` is not transient: a retry would
 * delay all other changes until the number of channels falls.
 */
function isTransient({ code }: PolycastError): boolean {
  return code === 'log_unavailable' || code === 'log_full' || code === 'overloaded' || code === 'rate_limited';
}

/** The info that others may see. */
export function visibleInfo(info: unknown): unknown {
  return info !== undefined && JSON.stringify(info).length > INFO_LENGTH_MAX ? undefined : info;
}

/**
 * Parses the change in a stored event. Returns an empty list if another publisher wrote an event of
 * its own to that channel.
 */
function storedChangesOf({ channel, type, body }: StoredRecord): PresenceChange[] {
  if (type === undefined) return [];
  const { data } = JSON.parse(`{${Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()}`) as {
    data: unknown;
  };
  const change = parsePresenceChange({ channel, type, data }, Date.parse);
  return change === undefined ? [] : [change];
}
