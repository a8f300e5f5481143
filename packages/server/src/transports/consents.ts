import { PolycastError } from '@polycast/protocol';
import type { Timed } from '../core/wheel.ts';
import { stillAllowed, ticksUntil } from './expiry.ts';
import type { Services } from './services.ts';
import type { Session, SessionListener } from './sessions.ts';
import { StreamSession } from './stream-session.ts';

/**
 * Has the site asked again about what it allows a live session, whenever the time of its answer is over (PROTOCOL.md section 13.3).
 * Sessions whose channels are left to rules alone are not watched.
 */
export class Consents implements SessionListener {
  readonly #services: Services;
  readonly #ticksMin: number;
  readonly #watched = new Map<Session, Watch>();

  /** @param ticksMin however short its answers hold, the site is not asked about a session again sooner */
  constructor(services: Services, ticksMin: number) {
    this.#services = services;
    this.#ticksMin = ticksMin;
  }

  opened(session: Session): void {
    this.#watch(session);
  }

  changed(session: Session): void {
    this.#watch(session);
  }

  closed(session: Session): void {
    const watch = this.#watched.get(session);
    if (watch === undefined) return;
    this.#services.wheel.cancel(watch);
    this.#watched.delete(session);
  }

  #watch(session: Session): void {
    const { authority, wheel } = this.#services;
    const { principal, channels } = session;
    let untilMs = Infinity;
    for (const channel of channels)
      untilMs = Math.min(untilMs, authority.holdsUntil?.(principal, 'subscribe', channel) ?? Infinity);
    if (untilMs === Infinity) return this.closed(session);
    let watch = this.#watched.get(session);
    if (watch === undefined)
      this.#watched.set(session, (watch = new Watch(() => void this.#askAgain(session).catch(this.#failed))));
    wheel.schedule(watch, Math.max(this.#ticksMin, ticksUntil(this.#services, untilMs)));
  }

  async #askAgain(session: Session): Promise<void> {
    const { principal, channels } = session;
    try {
      const allowed = await stillAllowed(this.#services, principal, channels);
      // Who is gone is not watched, and who has become another or has other channels is watched anew.
      if (!this.#watched.has(session) || session.principal !== principal || session.channels !== channels) return;
      if (allowed.length === channels.length) return this.#watch(session);
      // Its end is the beginning of the next one, which is told why.
      if (!(session instanceof StreamSession)) return session.dismiss('forbidden');
      await session.renewed(principal);
    } catch (error) {
      if (!(error instanceof PolycastError)) throw error;
      session.dismiss('identity_unavailable');
    }
  }

  readonly #failed = (error: unknown): void => {
    this.#services.logger.error({ error }, 'a session could not be asked about again');
  };
}

class Watch implements Timed {
  readonly due: () => void;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(due: () => void) {
    this.due = due;
  }
}
