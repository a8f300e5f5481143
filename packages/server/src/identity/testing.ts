import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { IdentityStoreSettings } from '../core/access/identity-settings.ts';
import type { Clock } from '../core/ports.ts';
import type { Revocation } from '../core/access/principal.ts';
import type { AuditEntry } from './audit.ts';
import { openIdentity, type Identity } from './identity.ts';

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

/** Opens a store that closes when the test ends. */
export function openTestIdentity(
  data = ':memory:',
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
  const identity = openIdentity(data, { ...SETTINGS, ...settings }, clock, logger);
  onTestFinished(() => identity.close());
  const ended: Revocation[] = [];
  identity.revocations.onRevoked((revocation) => void ended.push(revocation));
  return { ...identity, clock, ended, logged, errors };
}

export const OPERATOR: AuditEntry['by'] = { kind: 'operator', user: 'root' };

/** Creates a folder that is deleted after the test. */
export function identityFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-identity-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
