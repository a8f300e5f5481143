import { counter, gauge, type MetricDefinition } from './metric-definition.ts';

/** Counts of accepted and refused credentials, and of sessions that revocations ended. */
export interface IdentityStats {
  readonly tokens: { readonly verified: number; readonly remembered: number; readonly refused: number };
  /** By issuer. */
  readonly issuers: readonly IssuerStats[];
  readonly keys: { readonly count: number; readonly accepted: number; readonly refused: number };
  readonly revocations: { readonly kept: number; readonly made: Readonly<Record<string, number>> };
  /** Sessions ended by a revocation. */
  readonly dismissed: number;
}

export interface IssuerStats {
  readonly issuer: string;
  readonly fetched: number;
  readonly failed: number;
  /** The time since its keys were last fetched; `Infinity` if they never were. */
  readonly ageMs: number;
}

/** The metrics of identity, by their published names. */
export function identityMetrics(read: () => IdentityStats): readonly MetricDefinition[] {
  return [
    {
      name: 'polycast_token_checks_total',
      help: 'Signed tokens presented: verified, found in the cache, or refused (expired tokens included).',
      kind: 'counter',
      label: 'outcome',
      read: () => {
        const { verified, remembered, refused } = read().tokens;
        return { verified, cached: remembered, refused };
      },
    },
    {
      name: 'polycast_jwks_fetches_total',
      help: "Fetches of an issuer's keys from its `jwksUrl`: successful and failed.",
      kind: 'counter',
      label: 'outcome',
      read: () => ({ fetched: sum(read().issuers, 'fetched'), failed: sum(read().issuers, 'failed') }),
    },
    {
      name: 'polycast_jwks_age_seconds',
      help: "Age of the last successful fetch of an issuer's keys, by issuer; +Inf before the first.",
      kind: 'gauge',
      label: 'issuer',
      read: () => Object.fromEntries(read().issuers.map(({ issuer, ageMs }) => [issuer, ageMs / 1000])),
    },
    {
      name: 'polycast_key_checks_total',
      help: 'API keys presented: accepted, or refused (expired keys included).',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ accepted: read().keys.accepted, refused: read().keys.refused }),
    },
    gauge('polycast_keys', 'API keys that exist.', () => read().keys.count),
    {
      name: 'polycast_revocations_total',
      help: 'Revocations, by kind. `key` includes rotations and changes of a key; `signer` is a signing key that its issuer has withdrawn.',
      kind: 'counter',
      label: 'kind',
      read: () => read().revocations.made,
    },
    gauge('polycast_stored_revocations', 'Revocations that are stored by name.', () => read().revocations.kept),
    counter(
      'polycast_revoked_sessions_total',
      'Sessions closed because their credentials were revoked.',
      () => read().dismissed,
    ),
  ];
}

function sum(issuers: readonly IssuerStats[], name: 'fetched' | 'failed'): number {
  return issuers.reduce((total, issuer) => total + issuer[name], 0);
}
