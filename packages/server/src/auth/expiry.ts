import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import { TICK_MS } from '../core/primitives/timing-wheel.ts';
import { authorize } from './permission.ts';
import type { Services } from '../http/services.ts';
import type { StreamSession } from '../streams/stream-session.ts';

/** Ticks of the wheel to a moment, which may have passed. */
export function ticksTo({ clock }: Services, atMs: number): number {
  return Math.min(TICKS_MAX, Math.ceil((atMs - clock.nowMs()) / TICK_MS));
}

/** Ticks of the wheel until a moment, at least one. */
export function ticksUntil(services: Services, atMs: number): number {
  return Math.max(1, ticksTo(services, atMs));
}

/** When a session's standing ends, and when that is to be said; 0 for never (PROTOCOL.md section 13.4). */
export function expiryTicks(
  services: Services,
  { expiresMs }: Principal,
): { readonly expiresTick: number; readonly warnTick: number } {
  if (expiresMs === Infinity) return NEVER;
  const { wheel, settings } = services;
  const lifeTicks = ticksUntil(services, expiresMs);
  // What lasts only a moment is not said to end as soon as it begins, or whoever renews it would do nothing else.
  const warningTicks = Math.min(settings.expiryWarningTicks, Math.ceil(lifeTicks / 4));
  const expiresTick = wheel.tick + lifeTicks;
  return { expiresTick, warnTick: Math.max(1, expiresTick - warningTicks) };
}

const NEVER = { expiresTick: 0, warnTick: 0 };
/** Seventeen years; so that ticks stay small numbers. */
const TICKS_MAX = 2 ** 31 - 2 ** 20;

/**
 * A session's standing is about to end: it is renewed without the client, where that can be done, and else the client is
 * told. Who turns out to be nobody any more is shown out at once.
 * @param isForced whether it was asked for before its time, so that what is found out holds whatever it is
 */
export function renewCredentials(services: Services, session: StreamSession, isForced: boolean = false): void {
  const { principal } = session;
  const pending = services.authority.renew?.(principal);
  if (pending === undefined) return isForced ? undefined : session.sendExpiring();
  void applyRenewal(session, principal, pending, isForced).catch((error: unknown) => {
    const code = error instanceof PolycastError ? error.code : undefined;
    if (code === undefined) services.logger.error({ error }, 'a session could not be renewed');
    if (session.principal !== principal) return;
    if (code === 'unauthorized') session.disconnect(code);
    else session.sendExpiring();
  });
}

async function applyRenewal(
  session: StreamSession,
  principal: Principal,
  pending: Promise<Principal>,
  isForced: boolean,
): Promise<void> {
  const renewed = await pending;
  // It may have said in the meantime who it is.
  if (session.principal !== principal || session.phase !== 'open') return;
  if (renewed.user !== principal.user) session.disconnect('unauthorized');
  // In the same moment: that is all there is. Sooner than before is what holds from now on.
  else if (!isForced && renewed.expiresMs === principal.expiresMs) session.sendExpiring();
  else await session.applyRenewal(renewed);
}

/** Those of a session's channels that a principal may read. @throws PolycastError `identity_unavailable` */
export async function allowedChannels(
  services: Services,
  principal: Principal,
  channels: readonly string[],
): Promise<readonly string[]> {
  const decisions = await Promise.all(
    channels.map(async (channel) => {
      try {
        await authorize(services, principal, 'subscribe', [channel]);
        return true;
      } catch (error) {
        if (error instanceof PolycastError && (error.code === 'forbidden' || error.code === 'unauthorized'))
          return false;
        throw error;
      }
    }),
  );
  return channels.filter((_channel, index) => decisions[index]);
}
