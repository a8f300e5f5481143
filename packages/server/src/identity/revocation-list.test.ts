import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { IDENTITY_FILE } from '../storage/sqlite/identity/identity-file.ts';
import { openTestIdentity, OPERATOR, START_MS } from '../testing/test-identity.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

const ANNA: Principal = { ...ANONYMOUS, kind: 'user', user: 'anna', token: 't-1', issuedMs: START_MS - 1000 };
const SHOP: Principal = { ...ANONYMOUS, kind: 'server', key: 'k-1', issuedMs: START_MS - 1000 };

test.each(['user', 'token', 'key'] as const)(
  'by %s: credentials issued before are refused, later ones are accepted',
  async (kind) => {
    const { revocations, ended } = openTestIdentity();
    // `ApiKeys` checks keys as well. This test is about dates only.
    revocations.isKeyNoLongerValid = () => false;
    const principal = kind === 'key' ? SHOP : ANNA;
    expect(revocations.isRevoked(principal)).toBe(false);
    const name = principal[kind] as string;
    await revocations.revoke({ kind, name, issuedBeforeMs: START_MS }, OPERATOR);
    expect(ended).toEqual([{ [kind]: name, issuedBeforeMs: START_MS }]);
    expect(revocations.isRevoked(principal)).toBe(true);
    expect(revocations.isRevoked({ ...principal, issuedMs: START_MS })).toBe(false);
    expect(revocations.isRevoked({ ...principal, [kind]: 'another' })).toBe(false);
    expect(revocations.isRevoked(ANONYMOUS)).toBe(false);
  },
);

test('a revocation covers credentials without a time of issue', async () => {
  const { revocations } = openTestIdentity();
  await revocations.revoke({ kind: 'user', name: 'anna', issuedBeforeMs: START_MS }, OPERATOR);
  expect(revocations.isRevoked({ ...ANNA, issuedMs: 0 })).toBe(true);
});

test('names of different kinds are different, and names of built-in members match nothing', async () => {
  const { revocations } = openTestIdentity();
  await revocations.revoke({ kind: 'token', name: 'anna', issuedBeforeMs: START_MS }, OPERATOR);
  expect(revocations.isRevoked(ANNA)).toBe(false);
  for (const user of ['__proto__', 'constructor']) expect(revocations.isRevoked({ ...ANNA, user })).toBe(false);
});

test('a later one revokes more, and an earlier one changes nothing', async () => {
  const { revocations } = openTestIdentity();
  await revocations.revoke({ kind: 'user', name: 'anna', issuedBeforeMs: START_MS }, OPERATOR);
  await revocations.revoke({ kind: 'user', name: 'anna', issuedBeforeMs: START_MS - 5000 }, OPERATOR);
  expect(revocations.isRevoked(ANNA)).toBe(true);
  expect(revocations.revokedBefore('anna')).toBe(START_MS);
  expect(revocations.size).toBe(1);
});

test('they are valid after a restart', async () => {
  const folder = temporaryFolder();
  const before = openTestIdentity(folder);
  await before.revocations.revoke({ kind: 'user', name: 'anna', issuedBeforeMs: START_MS }, OPERATOR);
  before.close();
  const after = openTestIdentity(folder);
  expect(after.revocations.isRevoked(ANNA)).toBe(true);
  expect(after.revocations.size).toBe(1);
});

test('a session is ended, and no entry remains', async () => {
  const { revocations, ended, audit } = openTestIdentity();
  await revocations.revoke({ kind: 'session', name: 's-1', issuedBeforeMs: START_MS }, OPERATOR);
  expect(ended).toEqual([{ session: 's-1', issuedBeforeMs: START_MS }]);
  expect(revocations.size).toBe(0);
  expect(audit.page(Infinity, 10)).toMatchObject([{ action: 'revocation.made', subject: 's-1' }]);
});

test('each is dropped when no session can match it any more', async () => {
  const folder = temporaryFolder();
  const { revocations, clock, close, maintain: upkeep } = openTestIdentity(folder, { revocationsKeptSeconds: 7200 });
  await revocations.revoke({ kind: 'user', name: 'anna', issuedBeforeMs: START_MS }, OPERATOR);
  clock.timeMs = START_MS + 7_200_000;
  upkeep();
  expect(revocations.isRevoked(ANNA)).toBe(true);
  clock.timeMs = START_MS + 2 * 7_200_000;
  upkeep();
  expect(revocations.size).toBe(0);
  close();
  expect(openTestIdentity(folder).revocations.size).toBe(0);
});

test('above the limit, the oldest are replaced by one date for all users, and nothing becomes valid again', async () => {
  const folder = temporaryFolder();
  const { revocations, clock, close } = openTestIdentity(folder, { revocationsMax: 2 });
  const revoke = (name: string): Promise<void> =>
    revocations.revoke({ kind: 'user', name, issuedBeforeMs: clock.timeMs }, OPERATOR);
  for (const name of ['a', 'b', 'c']) {
    clock.timeMs += 1000;
    await revoke(name);
  }
  const seen = ({ isRevoked }: Pick<typeof revocations, 'isRevoked'>): boolean[] =>
    [
      { user: 'a', issuedMs: START_MS },
      { user: 'nobody meant', issuedMs: START_MS },
      { user: 'nobody meant', issuedMs: START_MS + 1000 },
      { user: 'c', issuedMs: START_MS + 2999 },
      { user: 'c', issuedMs: START_MS + 3000 },
    ].map((each) => isRevoked({ ...ANNA, token: undefined, ...each }));
  expect(revocations.size).toBe(2);
  expect(seen({ isRevoked: (principal) => revocations.isRevoked(principal) })).toEqual([
    true,
    true,
    false,
    true,
    false,
  ]);
  close();
  const after = openTestIdentity(folder, { revocationsMax: 2 });
  expect(seen({ isRevoked: (principal) => after.revocations.isRevoked(principal) })).toEqual([
    true,
    true,
    false,
    true,
    false,
  ]);
});

test('with any revocations, in any order, with any limit, across restarts: revoked credentials stay revoked', async () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const step = fc.oneof(
    fc.record({ revoke: name, issuedBeforeMs: fc.integer({ min: START_MS - 50, max: START_MS }) }),
    fc.constant('restart' as const),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 20 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, revocationsMax) => {
        const folder = temporaryFolder();
        const truth = new Map<string, number>();
        let identity = openTestIdentity(folder, { revocationsMax });
        for (const each of [...steps, 'restart' as const]) {
          if (each === 'restart') {
            identity.close();
            identity = openTestIdentity(folder, { revocationsMax });
          } else {
            truth.set(each.revoke, Math.max(each.issuedBeforeMs, truth.get(each.revoke) ?? -Infinity));
            const order = { kind: 'user', name: each.revoke, issuedBeforeMs: each.issuedBeforeMs } as const;
            identity.revocations.revoke(order, OPERATOR).catch(() => undefined);
          }
          for (const [user, issuedBeforeMs] of truth)
            expect(identity.revocations.isRevoked({ ...ANNA, user, issuedMs: issuedBeforeMs - 1 })).toBe(true);
          expect(identity.revocations.size).toBeLessThanOrEqual(revocationsMax);
          expect(identity.revocations.isRevoked({ ...ANNA, issuedMs: START_MS })).toBe(false);
        }
        identity.close();
      },
    ),
    { numRuns: 50 },
  );
});

test('one that the disk does not store is valid in memory, and is written as soon as possible', async () => {
  const folder = temporaryFolder();
  const { revocations, ended, maintain: upkeep, close } = openTestIdentity(folder);
  using other = new DatabaseSync(join(folder, IDENTITY_FILE));
  other.exec("CREATE TRIGGER full BEFORE INSERT ON revocation BEGIN SELECT RAISE(ABORT, 'no room'); END");
  const revoking = revocations.revoke({ kind: 'user', name: 'anna', issuedBeforeMs: START_MS }, OPERATOR);
  expect(ended).toHaveLength(1);
  expect(revocations.isRevoked(ANNA)).toBe(true);
  await expect(revoking).rejects.toThrow(expect.objectContaining({ code: 'log_unavailable' }));
  upkeep();
  other.exec('DROP TRIGGER full');
  // The late write of the older revocation must not replace a newer one.
  await revocations.revoke({ kind: 'user', name: 'anna', issuedBeforeMs: START_MS + 10 }, OPERATOR);
  upkeep();
  close();
  const after = openTestIdentity(folder);
  expect(after.revocations.isRevoked({ ...ANNA, issuedMs: START_MS + 9 })).toBe(true);
  expect(after.audit.page(Infinity, 10)).toHaveLength(2);
});

test('many revocations at one time are stored with one commit, and none is lost', async () => {
  const folder = temporaryFolder();
  const { revocations, close } = openTestIdentity(folder);
  await revocations.revoke({ kind: 'user', name: 'first', issuedBeforeMs: START_MS }, OPERATOR);
  const revoke = (name: string): Promise<void> =>
    revocations.revoke({ kind: 'user', name, issuedBeforeMs: START_MS }, OPERATOR);
  const crowd = Array.from({ length: 500 }, (_, index) => revoke(`user-${index}`));
  // In force before it is durable.
  expect(revocations.isRevoked({ ...ANNA, user: 'user-499' })).toBe(true);
  using other = new DatabaseSync(join(folder, IDENTITY_FILE));
  const seen = (): unknown => other.prepare('SELECT count(*) AS count FROM revocation').get()?.['count'];
  await Promise.race(crowd);
  expect(seen()).toBe(501);
  void revoke('last');
  close();
  expect(seen()).toBe(502);
});
