import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/principal.ts';
import { TICK_MS } from '../core/wheel.ts';
import { allow } from './permission.ts';
import type { Services } from './services.ts';
import type { StreamSession } from './stream-session.ts';

/** Ticks of the wheel to a moment, which may have passed. */
export function ticksTo({ clock }: Services, atMs: number): number {
  return Math.min(TICKS_MAX, Math.ceil((atMs - clock.nowMs()) / TICK_MS));
}

/** Ticks of the wheel until a moment, at least one. */
export function ticksUntil(services: Services, atMs: number): number {
  return Math.max(1, ticksTo(services, atMs));
}

/** When a session's standing ends, and when that is to be said; 0 for never (PROTOCOL.md section 13.4). */
export function expiryOf(
  services: Services,
  { expiresMs }: Principal,
): { readonly expiresTick: number; readonly warnTick: number } {
  if (expiresMs === Infinity) return NEVER;
  const { wheel, settings } = services;
  const lifeTicks = ticksUntil(services, expiresMs);
  // What lasts only a moment is not said to end as soon as it begins, or whoever renews it would do nothing else.
  const warningTicks = Math.min(settings.expiringTicks, Math.ceil(lifeTicks / 4));
  const expiresTick = wheel.tick + lifeTicks;
  return { expiresTick, warnTick: Math.max(1, expiresTick - warningTicks) };
}

const NEVER = { expiresTick: 0, warnTick: 0 };
/** Seventeen years; so that ticks stay small numbers. */
const TICKS_MAX = 2 ** 31 - 2 ** 20;

/**
 * A session's standing is about to end: it is renewed without the client, where that can be done, and else the client is
 * told. Who turns out to be nobody any more is shown out at once.
 * @param isAsked whether it was asked for before its time, so that what is found out holds whatever it is
 */
export function renew(services: Services, session: StreamSession, isAsked: boolean = false): void {
  const { principal } = session;
  const renewing = services.authority.renew?.(principal);
  if (renewing === undefined) return isAsked ? undefined : session.sayExpiring();
  void adopt(session, principal, renewing, isAsked).catch((error: unknown) => {
    const code = error instanceof PolycastError ? error.code : undefined;
    if (code === undefined) services.logger.error({ error }, 'a session could not be renewed');
    if (session.principal !== principal) return;
    if (code === 'unauthorized') session.dismiss(code);
    else session.sayExpiring();
  });
}

async function adopt(
  session: StreamSession,
  principal: Principal,
  renewing: Promise<Principal>,
  isAsked: boolean,
): Promise<void> {
  const renewed = await renewing;
  // It may have said in the meantime who it is.
  if (session.principal !== principal || session.phase !== 'open') return;
  if (renewed.user !== principal.user) session.dismiss('unauthorized');
  // In the same moment: that is all there is. Sooner than before is what holds from now on.
  else if (!isAsked && renewed.expiresMs === principal.expiresMs) session.sayExpiring();
  else await session.renewed(renewed);
}

/** Those of a session's channels that a principal may read. @throws PolycastError `identity_unavailable` */
export async function stillAllowed(
  services: Services,
  principal: Principal,
  channels: readonly string[],
): Promise<readonly string[]> {
  const verdicts = await Promise.all(
    channels.map(async (channel) => {
      try {
        await allow(services, principal, 'subscribe', [channel]);
        return true;
      } catch (error) {
        if (error instanceof PolycastError && (error.code === 'forbidden' || error.code === 'unauthorized'))
          return false;
        throw error;
      }
    }),
  );
  return channels.filter((_channel, index) => verdicts[index]);
}
