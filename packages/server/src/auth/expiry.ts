import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import { TICK_MS } from '../core/primitives/timing-wheel.ts';
import type { AuthParts } from './auth-parts.ts';
import { authorize } from './permission.ts';
import { isRenewable, type RenewableSession, type Session } from './sessions.ts';

/** The ticks of the wheel up to a moment. A moment in the past gives a negative number. */
export function ticksTo({ clock }: AuthParts, atMs: number): number {
  return Math.min(TICKS_MAX, Math.ceil((atMs - clock.nowMs()) / TICK_MS));
}

/** The ticks of the wheel up to a moment, at least one. */
export function ticksUntil(parts: AuthParts, atMs: number): number {
  return Math.max(1, ticksTo(parts, atMs));
}

/**
 * The tick at which a session's credentials expire, and the tick of the warning; 0 for never
 * (PROTOCOL.md section 13.4).
 */
export function expiryTicks(
  parts: AuthParts,
  { expiresMs }: Principal,
): { readonly expiresTick: number; readonly warnTick: number } {
  if (expiresMs === Infinity) return NEVER;
  const { wheel, settings } = parts;
  const lifeTicks = ticksUntil(parts, expiresMs);
  // The warning comes at the earliest in the last quarter of the lifetime. Otherwise a client with
  // short-lived credentials would do nothing but renew them.
  const warningTicks = Math.min(settings.expiryWarningTicks, Math.ceil(lifeTicks / 4));
  const expiresTick = wheel.tick + lifeTicks;
  return { expiresTick, warnTick: Math.max(1, expiresTick - warningTicks) };
}

const NEVER = { expiresTick: 0, warnTick: 0 };
/** Seventeen years: it keeps ticks within small integers. */
const TICKS_MAX = 2 ** 31 - 2 ** 20;

/**
 * Renews a session's credentials before they expire. If the hub cannot renew them by itself, the
 * client receives a warning. If the renewal finds another user or none, the session ends
 * immediately.
 * @param isForced renew before the expiry, and apply the result even if it expires no later
 */
export function renewCredentials(parts: AuthParts, session: RenewableSession, isForced: boolean = false): void {
  const { principal } = session;
  const pending = parts.authority.renew?.(principal);
  if (pending === undefined) return isForced ? undefined : session.sendExpiring();
  void applyRenewal(session, principal, pending, isForced).catch((error: unknown) => {
    const code = error instanceof PolycastError ? error.code : undefined;
    if (code === undefined) parts.logger.error({ error }, 'sessions: renewal failed');
    if (session.principal !== principal) return;
    if (code === 'unauthorized') session.disconnect(code);
    else session.sendExpiring();
  });
}

/**
 * Authenticates a live session again. A stream stays open meanwhile. A poll is answered
 * immediately, and its next request is authenticated.
 */
export function reauthenticateSession(parts: AuthParts, session: Session): void {
  if (session.reauthenticateElsewhere !== undefined) session.reauthenticateElsewhere();
  else if (isRenewable(session)) renewCredentials(parts, session, true);
  else session.disconnect('unauthorized');
}

async function applyRenewal(
  session: RenewableSession,
  principal: Principal,
  pending: Promise<Principal>,
  isForced: boolean,
): Promise<void> {
  const renewed = await pending;
  // The session may have authenticated in the meantime.
  if (session.principal !== principal || session.phase !== 'open') return;
  if (renewed.user !== principal.user) session.disconnect('unauthorized');
  // With the same expiry the renewal has gained nothing. An earlier or later expiry applies.
  else if (!isForced && renewed.expiresMs === principal.expiresMs) session.sendExpiring();
  else await session.applyRenewal(renewed);
}

/**
 * The channels of a session that a principal may read.
 * @throws PolycastError `identity_unavailable`
 */
export async function allowedChannels(
  parts: AuthParts,
  principal: Principal,
  channels: readonly string[],
): Promise<readonly string[]> {
  const decisions = await Promise.all(
    channels.map(async (channel) => {
      try {
        await authorize(parts, principal, 'subscribe', [channel]);
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
