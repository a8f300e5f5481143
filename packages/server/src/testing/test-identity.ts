import { onTestFinished } from 'vitest';
import type { IdentityStoreSettings } from '../core/access/identity-settings.ts';
import type { Clock } from '../core/ports.ts';
import type { Revocation } from '../core/access/principal.ts';
import type { AuditEntry } from '../core/access/identity-store.ts';
import { openIdentity, type Identity } from '../identity/identity.ts';
import { createMemoryIdentityStore } from '../storage/memory/memory-identity-store.ts';
import { openIdentityStore } from '../storage/sqlite/identity/sqlite-identity-store.ts';

/** An identity store with a clock that the test sets. */
export interface TestIdentity extends Identity {
  readonly clock: Clock & { timeMs: number };
  /** All revocations that the listener received, in order. */
  readonly ended: Revocation[];
  readonly logged: object[];
  readonly errors: string[];
}

const SETTINGS: IdentityStoreSettings = {
  auditEntriesMax: 1000,
  keysMax: 100,
  revocationsMax: 1000,
  revocationsKeptSeconds: 3600,
};

export const START_MS: number = Date.parse('2026-11-20T12:00:00Z');

/** Opens the store in a folder, or a new one in memory. It closes when the test ends. */
export function openTestIdentity(
  folder?: string,
  settings: Partial<IdentityStoreSettings> = {},
  timeMs: number = START_MS,
): TestIdentity {
  const clock = {
    timeMs,
    nowMs: () => clock.timeMs,
    monotonicMs: () => clock.timeMs,
  };
  const logged: object[] = [];
  const errors: string[] = [];
  const logger = {
    info: (fields: object) => void logged.push(fields),
    error: (fields: object, message: string) =>
      void errors.push(String((fields as { error?: unknown }).error ?? message)),
  };
  const { auditEntriesMax } = { ...SETTINGS, ...settings };
  const store =
    folder === undefined
      ? createMemoryIdentityStore(auditEntriesMax)
      : openIdentityStore({ folder, auditEntriesMax, logger });
  onTestFinished(() => store.close());
  const identity = openIdentity(store, { ...SETTINGS, ...settings }, clock, logger);
  onTestFinished(() => identity.close());
  const ended: Revocation[] = [];
  identity.revocations.onRevoked((revocation) => void ended.push(revocation));
  return { ...identity, clock, ended, logged, errors };
}

export const OPERATOR: AuditEntry['by'] = { kind: 'operator', user: 'root' };
