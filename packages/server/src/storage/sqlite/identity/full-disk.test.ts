import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ANONYMOUS } from '../../../core/access/principal.ts';
import { ALL_SCOPES } from '../../../core/access/scopes.ts';
import { openTestIdentity, OPERATOR, START_MS } from '../../../testing/test-identity.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';

/** A folder on a disk of a few megabytes; `undefined` if the test cannot mount one. */
function smallDisk(): string | undefined {
  const folder = temporaryFolder();
  if (process.platform !== 'linux' || spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', folder]).status !== 0)
    return undefined;
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  return folder;
}

test('on a full disk, revocations are valid and new keys are refused; both are written when there is space', async ({
  skip,
}) => {
  const folder = smallDisk();
  if (folder === undefined) return skip('a small disk can be mounted by root only');
  const identity = openTestIdentity(folder);
  const revoked = (user: string): boolean =>
    identity.revocations.isRevoked({ ...ANONYMOUS, kind: 'user', user, issuedMs: START_MS - 1 });
  const revoke = (name: string): Promise<void> =>
    identity.revocations.revoke({ kind: 'user', name, issuedBeforeMs: START_MS }, OPERATOR);
  const key = (): string =>
    identity.keys.create({ name: 'a', scopes: ALL_SCOPES, expiresMs: undefined }, OPERATOR).text;
  const good = key();
  await revoke('before');

  const ballast = join(folder, 'ballast');
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(ballast, Buffer.alloc(bavail * bsize));
  const refusals = await Promise.allSettled(Array.from({ length: 500 }, (_, index) => revoke(`during-${index}`)));
  expect(refusals.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'log_full' } });
  expect(revoked('during-499')).toBe(true);
  expect(key).toThrow(expect.objectContaining({ code: 'log_full' }));
  expect(identity.keys.identify({ token: good })).toMatchObject({ kind: 'server' });
  const keysBefore = identity.keys.list().length;
  identity.maintain();

  rmSync(ballast);
  identity.maintain();
  key();
  expect(identity.keys.list()).toHaveLength(keysBefore + 1);
  identity.close();
  const after = openTestIdentity(folder);
  expect(after.revocations.size).toBe(501);
  expect(after.keys.list()).toHaveLength(keysBefore + 1);
});
