import { PolycastError } from '@polycast/protocol';
import type { WheelTimer } from '../core/primitives/timing-wheel.ts';
import type { AuthParts } from './auth-parts.ts';
import { allowedChannels, ticksUntil } from './expiry.ts';
import { isRenewable, type Session, type SessionListener, type Sessions } from './sessions.ts';

/** Sessions that are checked in one turn of the event loop. Deliveries run between the turns. */
const BATCH_MAX = 256;

/**
 * Asks the site again whether a live session may read its channels, each time the site's last
 * answer expires (PROTOCOL.md section 13.3). Sessions whose channels depend on rules alone have no
 * timer.
 */
export class Reauthorizer implements SessionListener {
  readonly #parts: AuthParts;
  readonly #intervalTicksMin: number;
  readonly #timers = new Map<Session, ReauthorizationTimer>();

  /**
   * @param ticksMin the shortest interval between two checks of a session, however short the site's
   * answers are valid
   */
  constructor(parts: AuthParts, ticksMin: number) {
    this.#parts = parts;
    this.#intervalTicksMin = ticksMin;
  }

  /**
   * Checks all live sessions, after the rules changed. A session that may no longer read a channel
   * loses the channel, or ends.
   * @returns the number of these sessions
   */
  async checkAll(sessions: Sessions): Promise<number> {
    let changed = 0;
    let pending: Promise<boolean>[] = [];
    for (const session of sessions.each()) {
      if (session.isMomentary || session.isElsewhere === true) continue;
      pending.push(this.#check(session));
      if (pending.length < BATCH_MAX) continue;
      changed += (await Promise.all(pending)).filter(Boolean).length;
      pending = [];
      await new Promise((resolve) => void setImmediate(resolve));
    }
    return changed + (await Promise.all(pending)).filter(Boolean).length;
  }

  opened(session: Session): void {
    this.#schedule(session);
  }

  changed(session: Session): void {
    this.#schedule(session);
  }

  closed(session: Session): void {
    const watch = this.#timers.get(session);
    if (watch === undefined) return;
    this.#parts.wheel.cancel(watch);
    this.#timers.delete(session);
  }

  #schedule(session: Session): void {
    if (session.isElsewhere === true) return;
    const { authority, wheel } = this.#parts;
    const { principal, channels } = session;
    let untilMs = Infinity;
    for (const channel of channels)
      untilMs = Math.min(untilMs, authority.validUntil?.(principal, 'subscribe', channel) ?? Infinity);
    if (untilMs === Infinity) return this.closed(session);
    let timer = this.#timers.get(session);
    if (timer === undefined)
      this.#timers.set(session, (timer = new ReauthorizationTimer(() => void this.#check(session))));
    wheel.schedule(timer, Math.max(this.#intervalTicksMin, ticksUntil(this.#parts, untilMs)));
  }

  /** Whether the session lost a channel, or ended. */
  async #check(session: Session): Promise<boolean> {
    try {
      return await this.#reauthorize(session);
    } catch (error) {
      if (error instanceof PolycastError) session.disconnect('identity_unavailable');
      else this.#parts.logger.error({ error }, 'sessions: reauthorization failed');
      return true;
    }
  }

  async #reauthorize(session: Session): Promise<boolean> {
    const { principal, channels } = session;
    const allowed = await allowedChannels(this.#parts, principal, channels);
    // The session may have ended during the wait. If its principal or channels changed, they were
    // authorized again.
    if (session.registryIndex < 0 || session.principal !== principal || session.channels !== channels) return false;
    if (allowed.length === channels.length) {
      this.#schedule(session);
      return false;
    }
    // A poll ends here. Its client's next request receives the error.
    if (!isRenewable(session)) session.disconnect('forbidden');
    else await session.applyRenewal(principal);
    return true;
  }
}

class ReauthorizationTimer implements WheelTimer {
  readonly onTimer: () => void;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(due: () => void) {
    this.onTimer = due;
  }
}
