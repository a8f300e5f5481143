import { integerField } from './field.ts';

/** Fields of `identity`: the bounds of the hub's own identity data. */
export const identityStore = {
  keysMax: integerField(
    { unit: 'keys', min: 1, max: 100_000, default: 1000 },
    {
      doc: 'How many API keys there may be; another gets `503 overloaded`.',
      why: 'A key for each server, not for each user. Each takes half a kilobyte of memory.',
    },
  ),
  revocationsKeptSeconds: integerField(
    { unit: 'seconds', min: 60, max: 3650 * 86_400, default: 30 * 86_400 },
    {
      doc: 'How long a revocation is kept. It must be longer than any token is good for (`lifetimeMaxSeconds` of `identity.tokens`): one that outlived its revocation would be good again.',
      why: 'Thirty days: tokens for browsers live for minutes or hours, a week at most unless more is said.',
    },
  ),
  revocationsMax: integerField(
    { unit: 'revocations', min: 100, max: 10_000_000, default: 100_000 },
    {
      doc: 'How many revocations of users, and how many of tokens, are kept by name. Beyond it the oldest give way to one date: what any user, or token, was given out before it is refused.',
      why: 'Some 15 MB. A site where more users than that log out in thirty days gives out short-lived credentials, which that date does not reach.',
    },
  ),
  auditEntriesMax: integerField(
    { unit: 'entries', min: 100, max: 10_000_000, default: 10_000 },
    {
      doc: 'How many entries the audit log keeps; the oldest go first. Each is logged as well.',
      why: 'Years of key rotation and months of support work. Who must keep all has the log files.',
    },
  ),
};
