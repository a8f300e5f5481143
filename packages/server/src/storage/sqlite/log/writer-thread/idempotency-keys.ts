import type { Position } from '../../../../core/ports.ts';
import { KEY_LIFETIME_MS, TRIM_EVENTS_MAX } from '../../../shared/log-limits.ts';
import type { WriterConnection } from './writer-connection.ts';

/** The event of an idempotency key. */
interface UsedKey {
  readonly fingerprint: string | null;
  readonly position: Position;
  readonly timeMs: number;
}

/** The event of a key that is still valid. */
export function findKey({ statements }: WriterConnection, key: string, nowMs: number): UsedKey | undefined {
  const used = statements.findKey.get(key) as UsedKey | undefined;
  return used !== undefined && used.timeMs + KEY_LIFETIME_MS > nowMs ? used : undefined;
}

export function addKey(
  connection: WriterConnection,
  key: string,
  fingerprint: string | undefined,
  position: Position,
  timeMs: number,
): void {
  connection.begin();
  connection.statements.insertKey.run(key, fingerprint ?? null, position, timeMs);
  connection.countPages(1);
}

/** Whether `purgeKeys` has work. */
export function isKeyExpired({ statements }: WriterConnection, nowMs: number): boolean {
  const { timeMs } = statements.oldestKey.get() as { timeMs: number | null };
  return (timeMs ?? Infinity) <= nowMs - KEY_LIFETIME_MS;
}

/**
 * Removes some of the expired keys, in a transaction that has begun.
 * Returns whether there may be more.
 */
export function purgeKeys({ statements }: WriterConnection, nowMs: number): boolean {
  return Number(statements.purgeKeys.run(nowMs - KEY_LIFETIME_MS, TRIM_EVENTS_MAX).changes) === TRIM_EVENTS_MAX;
}
