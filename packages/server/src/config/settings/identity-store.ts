import { integerField } from '../../settings/field.ts';

/** Fields of `identity`: the bounds of the hub's own identity data. */
export const identityStore = {
  keysMax: integerField(
    { unit: 'keys', min: 1, max: 100_000, default: 1000 },
    {
      doc: 'The maximum number of API keys. Creating another one gets `503 overloaded`.',
      why: 'One key per server, not per user. A key takes half a kilobyte of memory.',
    },
  ),
  revocationsKeptSeconds: integerField(
    { unit: 'seconds', min: 60, max: 3650 * 86_400, default: 30 * 86_400 },
    {
      doc: 'How long the hub stores a revocation. It must exceed the lifetime of every token (`lifetimeMaxSeconds` of `identity.tokens`), because a token that outlives its revocation would be valid again.',
      why: 'Thirty days. Tokens for browsers live for minutes or hours, and by default a week at most.',
    },
  ),
  revocationsMax: integerField(
    { unit: 'revocations', min: 100, max: 10_000_000, default: 100_000 },
    {
      doc: 'The maximum number of revocations of users, and of tokens, stored by name. Beyond it one date replaces the oldest: the hub refuses all credentials of that kind issued before it.',
      why: 'About 15 MB. A site where more users log out in thirty days issues short-lived credentials, which that date does not affect.',
    },
  ),
  auditEntriesMax: integerField(
    { unit: 'entries', min: 100, max: 10_000_000, default: 10_000 },
    {
      doc: 'The maximum number of entries in the audit log. The oldest are removed first. The hub also logs each entry.',
      why: 'Years of key rotation and months of support work. The log files contain older entries.',
    },
  ),
};
