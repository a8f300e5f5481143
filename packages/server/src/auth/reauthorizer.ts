import { PolycastError } from '@polycast/protocol';
import type { WheelTimer } from '../core/primitives/timing-wheel.ts';
import type { AuthParts } from './auth-parts.ts';
import { allowedChannels, ticksUntil } from './expiry.ts';
import { isRenewable, type Session, type SessionListener } from './sessions.ts';

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
    const { authority, wheel } = this.#parts;
    const { principal, channels } = session;
    let untilMs = Infinity;
    for (const channel of channels)
      untilMs = Math.min(untilMs, authority.validUntil?.(principal, 'subscribe', channel) ?? Infinity);
    if (untilMs === Infinity) return this.closed(session);
    let timer = this.#timers.get(session);
    if (timer === undefined)
      this.#timers.set(
        session,
        (timer = new ReauthorizationTimer(() => void this.#reauthorize(session).catch(this.#onError))),
      );
    wheel.schedule(timer, Math.max(this.#intervalTicksMin, ticksUntil(this.#parts, untilMs)));
  }

  async #reauthorize(session: Session): Promise<void> {
    const { principal, channels } = session;
    try {
      const allowed = await allowedChannels(this.#parts, principal, channels);
      // The session may have ended during the wait. If its principal or channels changed, `changed`
      // has set a new timer.
      if (!this.#timers.has(session) || session.principal !== principal || session.channels !== channels) return;
      if (allowed.length === channels.length) return this.#schedule(session);
      // A poll ends here. Its client's next request receives the error.
      if (!isRenewable(session)) return session.disconnect('forbidden');
      await session.applyRenewal(principal);
    } catch (error) {
      if (!(error instanceof PolycastError)) throw error;
      session.disconnect('identity_unavailable');
    }
  }

  readonly #onError = (error: unknown): void => {
    this.#parts.logger.error({ error }, 'sessions: reauthorization failed');
  };
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
