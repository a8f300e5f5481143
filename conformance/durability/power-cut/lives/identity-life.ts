import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { openIdentity, type Identity } from '../../../../packages/server/src/identity/identity.ts';
import { ALL_SCOPES } from '../../../../packages/server/src/core/access/scopes.ts';
import { IDENTITY_FILE } from '../../../../packages/server/src/storage/sqlite/identity/identity-file.ts';
import type { WalTask } from '../../../../packages/server/src/storage/sqlite/background-sync.ts';
import { openIdentityStore } from '../../../../packages/server/src/storage/sqlite/identity/sqlite-identity-store.ts';
import type { Life } from './life.ts';

const TURNS = 8;
const TIME_MS = Date.parse('2026-11-20T12:00:00Z');
const BY = { kind: 'hub' } as const;
const WAL_WORKER = new URL('../../../../packages/server/src/storage/sqlite/wal-worker.ts', import.meta.url);

/**
 * Creates, rotates and revokes keys, revokes users and tokens, opens the store twice, and has a
 * thread move the write-ahead log. The acknowledgements are `key ID CREATED` (of its newest
 * secret), `revoking ID` before a revocation, `gone ID`, `user NAME BEFORE`.
 */
export const identityLife: Life = {
  name: 'identity',

  async live(folder, acknowledge) {
    for (let opening = 0; opening < 2; opening++) {
      const identity = open(folder);
      for (let turn = 0; turn < TURNS; turn++) {
        await oneTurn(identity, opening * TURNS + turn, acknowledge);
        if (turn !== TURNS / 2) continue;
        const workerData: WalTask = { file: join(folder, IDENTITY_FILE), task: 'checkpoint' };
        await once(new Worker(WAL_WORKER, { workerData }), 'exit');
      }
      identity.close();
    }
  },

  wrongWith(folder, lines) {
    let identity: Identity;
    try {
      identity = open(folder);
    } catch (error) {
      return Promise.resolve(lines.length === 0 ? undefined : `it does not open: ${String(error)}`);
    }
    try {
      return Promise.resolve(lostOf(identity, lines));
    } finally {
      identity.close();
    }
  },
};

async function oneTurn(identity: Identity, turn: number, acknowledge: (line: string) => void): Promise<void> {
  const { keys, revocations } = identity;
  const made = [`shop ${turn}`, `news ${turn}`].map((name) =>
    keys.create({ name, scopes: ALL_SCOPES, expiresMs: undefined }, BY),
  );
  await keys.whenDurable();
  for (const { key } of made) acknowledge(`key ${key.id} ${newestOf(key)}`);
  const [first, second] = made.map(({ key }) => key.id) as [string, string];
  const rotated = keys.rotate(first, turn % 2 === 0 ? 0 : 1000, BY);
  await keys.whenDurable();
  if (rotated !== undefined) acknowledge(`key ${first} ${newestOf(rotated.key)}`);
  acknowledge(`revoking ${second}`);
  await keys.revoke(second, BY);
  acknowledge(`gone ${second}`);
  await revocations.revoke({ kind: 'user', name: `user ${turn % 5}`, issuedBeforeMs: TIME_MS + turn }, BY);
  acknowledge(`user ${turn % 5} ${TIME_MS + turn}`);
}

function lostOf({ keys, revocations, hasLostCommits }: Identity, lines: readonly string[]): string | undefined {
  if (hasLostCommits) return 'its mark claims what a power cut has taken back';
  const newest = new Map<string, number>();
  for (const line of lines) {
    const [kind, name = '', value] = line.split(' ');
    if (kind === 'key') newest.set(name, Number(value));
    if (kind === 'revoking') newest.delete(name);
    if (kind === 'gone' && keys.get(name) !== undefined) return `key ${name} is back`;
    if (kind === 'user' && !((revocations.revokedBefore(`user ${name}`) ?? 0) >= Number(value)))
      return `the revocation of user ${name} is lost`;
  }
  for (const [id, createdMs] of newest) {
    const key = keys.get(id);
    if (key === undefined) return `key ${id} is lost`;
    if (newestOf(key) < createdMs) return `the rotation of key ${id} is lost`;
  }
  return undefined;
}

function newestOf({ secrets }: { readonly secrets: readonly { readonly createdMs: number }[] }): number {
  return Math.max(...secrets.map(({ createdMs }) => createdMs));
}

/** @throws DataFolderError */
function open(folder: string): Identity {
  const settings = { keysMax: 1000, revocationsKeptSeconds: 3600, revocationsMax: 1000, auditEntriesMax: 1000 };
  const clock = { nowMs: () => TIME_MS, monotonicMs: () => performance.now() };
  const logger = { info: () => undefined, error: () => undefined };
  const store = openIdentityStore({ folder, auditEntriesMax: settings.auditEntriesMax, logger });
  try {
    return openIdentity(store, settings, clock, logger);
  } catch (error) {
    store.close();
    throw error;
  }
}
