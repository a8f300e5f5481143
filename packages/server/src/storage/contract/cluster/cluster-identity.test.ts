import { expect, onTestFinished, test } from 'vitest';
import type { Actor } from '../../../core/audit.ts';
import type { Revocation } from '../../../core/access/principal.ts';
import { ALL_SCOPES } from '../../../core/access/scopes.ts';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { SharedSignatures } from '../../../identity/console/login-signatures.ts';
import { openIdentity, type Identity } from '../../../identity/identity.ts';
import { currentAuthority } from '../../../identity/current-authority.ts';
import { createOpenAuthority } from '../../../identity/open-authority.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../../testing/test-storage.ts';
import { encodeIdentityCommand } from '../../view/identity-command.ts';
import { HOMES } from '../../homes.ts';
import type { Home } from '../../home.ts';
import {
  LOGIN_SIGNERS_MAX,
  type IdentityChange,
  type IdentityStore,
  type LoginSigner,
  type SharedIdentity,
} from '../../../core/access/identity-store.ts';
import type { ClusterIdentityStore } from '../../cluster/identity/cluster-identity-store.ts';
import { record } from '../log/log-fixtures.ts';
import { MemoryCluster } from './test-hub.ts';
import type { JournaledLog } from '../../cluster/journaled-log.ts';

/** Keys and revocations of several hubs in one process. */
const OPERATOR: Actor = { kind: 'operator' };
const by = (): Actor => OPERATOR;
const OPTIONS = { name: 'shop', scopes: ALL_SCOPES, expiresMs: undefined };
const SETTINGS = { auditEntriesMax: 50, revocationsKeptSeconds: 1000, revocationsMax: 100, keysMax: 5 };
const START_MS = 1_700_000_000_000;

interface TestHub extends Identity {
  readonly log: JournaledLog;
  readonly store: IdentityStore;
  readonly ended: Revocation[];
  readonly clock: { timeMs: number };
}

class TestCluster extends MemoryCluster {
  async open(
    self: string,
    { folder = temporaryFolder(), home = HOMES['sqlite'] as Home, snapshotBytes = Infinity } = {},
  ): Promise<TestHub> {
    const options = testStorageOptions(folder, { identity: { auditEntriesMax: 50 } });
    const log = await this.openLog(self, { home, options, snapshotBytes });
    const store = await log.openIdentity(home.openIdentity(options));
    const clock = { timeMs: START_MS };
    const logger = { info: () => undefined, error: (fields: object) => expect.unreachable(JSON.stringify(fields)) };
    const identity = openIdentity(
      store,
      SETTINGS,
      { nowMs: () => clock.timeMs, monotonicMs: () => performance.now() },
      logger,
    );
    onTestFinished(() => identity.close());
    const ended: Revocation[] = [];
    identity.revocations.onRevoked((revocation) => ended.push(revocation));
    return { ...identity, log, store, ended, clock };
  }
}

function revocationOf(name: string): IdentityChange {
  const revocation = { kind: 'user', name, issuedBeforeMs: START_MS, keptUntilMs: START_MS + 1_000_000 } as const;
  return { kind: 'revocation', revocation };
}

function identify({ keys }: TestHub, token: string): Promise<string | undefined> {
  return Promise.resolve()
    .then(() => keys.identify({ token }))
    .then((principal) => principal?.key);
}

test.each(Object.keys(HOMES))('%s: a key that one hub has created is valid at another one at once', async (name) => {
  const cluster = new TestCluster();
  const home = HOMES[name] as Home;
  const [one, other] = [await cluster.open('a', { home }), await cluster.open('b', { home })];
  for (let count = 0; count < 4; count++) {
    const [from, to] = count % 2 === 0 ? [one, other] : [other, one];
    const { key, text } = await from.keyChanges.create(OPTIONS, by);
    expect(await identify(to, text)).toBe(key.id);
    const rotated = await to.keyChanges.rotate(key.id, 0, by);
    expect(await identify(from, rotated?.text ?? '')).toBe(key.id);
    await expect(identify(to, text)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await from.keyChanges.change(key.id, { name: 'other' }, by)).toMatchObject({ name: 'other' });
  }
  await one.store.shared?.reach();
  await other.store.shared?.reach();
  expect(one.keys.list()).toHaveLength(4);
  expect(other.keys.list()).toEqual(one.keys.list());
  const entries = await other.audit.pageOfAll(Infinity, 3);
  expect(entries.map(({ id, action }) => [id, action])).toEqual([
    [12, 'key.changed'],
    [11, 'key.rotated'],
    [10, 'key.created'],
  ]);
  expect(await one.audit.pageOfAll(Infinity, 50)).toEqual(await other.audit.pageOfAll(Infinity, 50));
});

test('a revocation is in force at the other hubs, also before it is durable, and ends sessions there', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const { key, text } = await one.keyChanges.create(OPTIONS, by);
  expect(await identify(other, text)).toBe(key.id);
  cluster.journal.silentMs = 11_000;
  const revoking = one.revocations.revoke({ kind: 'user', name: 'ann', issuedBeforeMs: START_MS }, OPERATOR);
  await expect(revoking).rejects.toMatchObject({ code: 'log_unavailable' });
  await expect(one.keyChanges.revoke(key.id, by)).rejects.toMatchObject({ code: 'log_unavailable' });
  await expect.poll(() => other.revocations.revokedBefore('ann')).toBe(START_MS);
  await expect.poll(() => other.keys.get(key.id)).toBeUndefined();
  expect(other.ended).toMatchObject([{ user: 'ann' }, { key: key.id }]);
  cluster.journal.silentMs = 0;
  one.maintain();
  await expect.poll(() => cluster.journal.kinds.at(-1)).toBe('identity');
  const late = await cluster.open('c');
  expect([late.revocations.revokedBefore('ann'), late.keys.get(key.id)]).toEqual([START_MS, undefined]);
  await expect(identify(late, text)).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a session that is revoked at one hub ends at the hub that has it, once', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  await one.revocations.revoke({ kind: 'session', name: 's', issuedBeforeMs: START_MS }, OPERATOR);
  await other.store.shared?.reach();
  const ofSession = (hub: TestHub): unknown[] => hub.ended.filter(({ session }) => session === 's');
  await expect.poll(() => ofSession(other)).toHaveLength(1);
  expect(ofSession(one)).toHaveLength(1);
});

test('changes of one key at two hubs are decided one after the other, and none is lost', async () => {
  const cluster = new TestCluster();
  const hubs = [await cluster.open('a'), await cluster.open('b')];
  const [one, other] = hubs as [TestHub, TestHub];
  const { key } = await one.keyChanges.create(OPTIONS, by);
  await other.store.shared?.reach();
  const [rotated, changed] = await Promise.all([
    one.keyChanges.rotate(key.id, 1000, by),
    other.keyChanges.change(key.id, { name: 'renamed' }, by),
  ]);
  await Promise.all(hubs.map(({ store }) => store.shared?.reach()));
  for (const hub of hubs) {
    expect(hub.keys.get(key.id)).toMatchObject({ name: 'renamed' });
    expect(hub.keys.get(key.id)?.secrets).toHaveLength(2);
    expect(await identify(hub, rotated?.text ?? '')).toBe(key.id);
  }
  expect(changed).toMatchObject({ id: key.id });
});

test('a key that was revoked at another hub changes nothing any more', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const { key } = await one.keyChanges.create(OPTIONS, by);
  await other.store.shared?.reach();
  const actor: Actor = { kind: 'server', key: key.id };
  const checked = (): Actor => {
    if (other.keys.get(key.id) === undefined) throw new Error('revoked');
    return actor;
  };
  // The removal is in the journal, and the other hub has not applied it when it decides.
  const removal = encodeIdentityCommand([{ kind: 'key_removed', id: key.id }]);
  const creating = other.keyChanges.create(OPTIONS, checked);
  cluster.journal.append({ id: 'z-1', kind: 'identity', data: removal });
  await expect(creating).rejects.toThrow('revoked');
  expect((await cluster.open('c')).keys.list()).toEqual([]);
});

test('an older block does not bring back a key whose revocation was broadcast', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const { key, text } = await one.keyChanges.create(OPTIONS, by);
  expect(await identify(other, text)).toBe(key.id);
  const sender = cluster.fleet.connect('c');
  sender.broadcast(JSON.stringify([{ kind: 'key_removed', id: key.id }]));
  await expect.poll(() => other.keys.get(key.id)).toBeUndefined();
  const put = encodeIdentityCommand([{ kind: 'key', key: { ...key, name: 'late' } }]);
  cluster.journal.append({ id: 'z-1', kind: 'identity', data: put });
  await other.store.shared?.reach();
  expect(other.keys.get(key.id)).toBeUndefined();
  // The thread of the view has ended, and the hub reads the view again.
  const read = other.revocations.revokedBefore('ann');
  cluster.journal.append({ id: 'z-2', kind: 'identity', data: encodeIdentityCommand([revocationOf('ann')]) });
  (other.store as ClusterIdentityStore).onOutcomeLost();
  await expect.poll(() => other.revocations.revokedBefore('ann')).not.toBe(read);
  expect(other.keys.get(key.id)).toBeUndefined();
});

test('the limit of keys holds for all hubs', async () => {
  const cluster = new TestCluster();
  const hubs = [await cluster.open('a'), await cluster.open('b')];
  const created = await Promise.allSettled(
    Array.from({ length: 8 }, (_, number) => (hubs[number % 2] as TestHub).keyChanges.create(OPTIONS, by)),
  );
  const refused = created.flatMap((each) => (each.status === 'rejected' ? [each.reason as { code: string }] : []));
  expect([created.length - refused.length, refused.map(({ code }) => code)]).toEqual([5, Array(3).fill('overloaded')]);
});

test('of several first keys one is created, and the keys of one folder become those of the cluster', async () => {
  const cluster = new TestCluster();
  const hubs = [await cluster.open('a'), await cluster.open('b')];
  const texts = await Promise.all(hubs.map(({ keyChanges }) => keyChanges.createFirst()));
  expect(texts.filter((text) => text !== undefined)).toHaveLength(1);
  const text = texts.find((each) => each !== undefined) as string;
  for (const hub of hubs) expect(await identify(hub, text)).toBeDefined();

  const folder = temporaryFolder();
  const prepared = (HOMES['sqlite'] as Home).openIdentity(testStorageOptions(folder));
  const nothing = (): void => undefined;
  const local = openIdentity(
    prepared,
    SETTINGS,
    { nowMs: () => START_MS, monotonicMs: () => 0 },
    { info: nothing, error: nothing },
  );
  const backend = local.keys.create(OPTIONS, OPERATOR);
  await local.keys.whenDurable();
  local.close();
  const second = new TestCluster();
  const adopting = await second.open('a', { folder });
  const other = await second.open('b');
  for (const hub of [adopting, other]) expect(await identify(hub, backend.text)).toBe(backend.key.id);
  expect(await other.keyChanges.createFirst()).toBeUndefined();
  // A hub that comes later with keys of its own has those of the cluster.
  const own = await cluster.open('c', { folder });
  expect(own.keys.list().map(({ name }) => name)).toEqual(['first']);
});

test('a hub that starts from a snapshot knows keys, revocations and the audit log', async () => {
  const cluster = new TestCluster();
  const one = await cluster.open('a', { snapshotBytes: 100_000 });
  const { key, text } = await one.keyChanges.create(OPTIONS, by);
  const gone = await one.keyChanges.create(OPTIONS, by);
  await one.keyChanges.revoke(gone.key.id, by);
  await one.revocations.revoke({ kind: 'user', name: 'ann', issuedBeforeMs: START_MS }, OPERATOR);
  while (cluster.journal.extent.first < 6) await one.log.append([record('a', { body: Buffer.alloc(30_000) })]);
  const other = await cluster.open('b');
  expect(other.log.stats()['blocks']).toBeLessThan(cluster.journal.last - 5);
  expect(await identify(other, text)).toBe(key.id);
  await expect(identify(other, gone.text)).rejects.toMatchObject({ code: 'unauthorized' });
  expect(other.revocations.revokedBefore('ann')).toBe(START_MS);
  expect(await other.audit.pageOfAll(Infinity, 50)).toEqual(await one.audit.pageOfAll(Infinity, 50));
});

test('a command of a later version stops the hub, which then identifies nobody', async () => {
  const cluster = new TestCluster();
  const hub = await cluster.open('a');
  const { text } = await hub.keyChanges.create(OPTIONS, by);
  const { shared } = hub.store;
  if (shared === undefined) throw new Error('not shared');
  const authority = currentAuthority(
    createOpenAuthority({ identifiers: [hub.keys], revocations: hub.revocations, onIgnored: () => undefined }),
    shared,
  );
  const caller = (token: string | undefined): unknown =>
    authority.identify({ token, cookie: () => undefined, header: () => undefined, origin: undefined, address: '' });
  expect(caller(text)).toMatchObject({ kind: 'server' });
  const data = new Uint8Array(Buffer.from('{"changes":[{"kind":"key_frozen","id":"x"}]}'));
  cluster.journal.append({ id: 'z-1', kind: 'identity', data });
  await expect.poll(() => hub.log.notReadyReason).toBe('cluster_upgrade_needed');
  const unavailable = expect.objectContaining({ code: 'identity_unavailable' });
  expect(() => caller(text)).toThrow(unavailable);
  expect(() => hub.portalLinks.identify('portal_x')).toThrow(unavailable);
  expect(caller(undefined)).toMatchObject({ key: undefined });
});

test('a hub without the journal hears of revocations while it hears all hubs it knew', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  await expect.poll(() => [one, other].map(({ log }) => log.stats()['otherHubs'])).toEqual([1, 1]);
  const isCurrent = (hub: TestHub): boolean | undefined => hub.store.shared?.isCurrent;
  expect([one, other].map(isCurrent)).toEqual([true, true]);
  cluster.journal.silentMs = 11_000;
  expect([one, other].map(isCurrent)).toEqual([true, true]);
  await other.log.close();
  await expect.poll(() => isCurrent(one), { timeout: 15_000 }).toBe(false);
  cluster.journal.silentMs = 0;
  // It has missed broadcasts, so it reads the journal first.
  expect(isCurrent(one)).toBe(false);
  await expect.poll(() => isCurrent(one)).toBe(true);
});

test('no command is written while a hub of an older version runs', async () => {
  const cluster = new TestCluster();
  const hub = await cluster.open('a');
  const older = cluster.fleet.connect('old');
  onTestFinished(() => older.close());
  older.report({ host: 'm', version: '0.9.0', sequence: 1, hash: 1 });
  await expect.poll(() => hub.log.stats()['otherHubs']).toBe(1);
  const last = cluster.journal.last;
  await expect(hub.keyChanges.create(OPTIONS, by)).rejects.toMatchObject({ code: 'not_in_cluster' });
  await expect(
    hub.revocations.revoke({ kind: 'user', name: 'ann', issuedBeforeMs: START_MS }, OPERATOR),
  ).rejects.toMatchObject({ code: 'not_in_cluster' });
  expect([hub.revocations.revokedBefore('ann'), cluster.journal.last]).toEqual([START_MS, last]);
});

/** The signatures of a hub's console logins. @param seed of its private key */
function signaturesOf({ store, loginSigners, onLoginSigner }: TestHub, seed = randomBytes(32)): SharedSignatures {
  const { commit, reach } = store.shared as SharedIdentity;
  const announce = (signer: LoginSigner): Promise<unknown> => commit([{ kind: 'login_signer', signer }], {});
  const signatures = new SharedSignatures(() => seed, { announce, reach }, loginSigners);
  onLoginSigner((signer) => signatures.add(signer));
  return signatures;
}

test.each(Object.keys(HOMES))(
  '%s: a console login of one hub is valid at every hub, and forged ones at none',
  async (name) => {
    const cluster = new TestCluster();
    const home = HOMES[name] as Home;
    const hubs = [await cluster.open('a', { home }), await cluster.open('b', { home })] as const;
    const seed = randomBytes(32);
    const [one, other] = [signaturesOf(hubs[0], seed), signaturesOf(hubs[1])];
    const signature = await one.sign('ann');
    expect(await other.verify('ann', signature)).toBe(true);
    expect(await one.verify('ann', await other.sign('ann'))).toBe(true);
    const late = signaturesOf(await cluster.open('c', { home }));
    expect(late.verify('ann', signature)).toBe(true);
    // After a restart a hub has its private key again.
    expect(await signaturesOf(hubs[0], seed).sign('ann')).toBe(signature);
    const [id = '', value = ''] = signature.split('.');
    for (const forged of [`${id}.`, id, '', `${id.slice(1)}x.${value}`, `${id}.${value.slice(2)}`])
      expect([forged, await other.verify('ann', forged)]).toEqual([forged, false]);
    expect(await other.verify('bob', signature)).toBe(false);
  },
);

test.each(Object.keys(HOMES))(
  '%s: a portal link of one hub is valid at every hub, also at one that starts later',
  async (name) => {
    const cluster = new TestCluster();
    const home = HOMES[name] as Home;
    const [one, other] = [await cluster.open('a', { home }), await cluster.open('b', { home })];
    const link = { owner: 'acme', channels: ['customers.acme.>'], theme: {}, expiresMs: START_MS + 1000 };
    const { id, token } = await one.portalLinks.create(link, OPERATOR);
    expect(await other.portalLinks.identify(token)).toMatchObject({ token: id, portal: { owner: 'acme' } });
    await expect(other.portalLinks.identify('portal_unknown')).rejects.toMatchObject({ code: 'unauthorized' });
    const late = await cluster.open('c', { home });
    expect(late.portalLinks.identify(token)).toMatchObject({ token: id });
    late.clock.timeMs += 2000;
    expect(() => late.portalLinks.identify(token)).toThrow(expect.objectContaining({ code: 'token_expired' }));
    // A later link removes those that have expired.
    await late.portalLinks.create({ ...link, expiresMs: START_MS + 10_000 }, OPERATOR);
    const later = await cluster.open('d', { home });
    await expect(later.portalLinks.identify(token)).rejects.toMatchObject({ code: 'unauthorized' });
    // The other hubs forget them, too, also one whose clock is behind.
    await other.store.shared?.reach();
    await expect(other.portalLinks.identify(token)).rejects.toMatchObject({ code: 'unauthorized' });
  },
);

test('a hub forgets portal links that have expired, also when nobody creates further ones', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const link = { owner: 'acme', channels: [], theme: {}, expiresMs: START_MS + 1000 };
  const { token } = await one.portalLinks.create(link, OPERATOR);
  await other.store.shared?.reach();
  other.clock.timeMs += 3_600_000;
  expect(() => other.portalLinks.identify(token)).toThrow(expect.objectContaining({ code: 'token_expired' }));
  other.maintain();
  await expect(other.portalLinks.identify(token)).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a hub that cannot ask for the signer of a console login does not call the caller anonymous', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const signatures = signaturesOf(other);
  await other.log.close();
  const signature = await signaturesOf(one).sign('ann');
  await expect(signatures.verify('ann', signature)).rejects.toMatchObject({ code: 'identity_unavailable' });
});

test('a hub keeps the signers that were announced last', async () => {
  const signatures = signaturesOf(await new TestCluster().open('a'));
  const { x: publicKey = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
  const idOf = (number: number): string => String(number).padStart(22, '0');
  for (let number = 0; number < LOGIN_SIGNERS_MAX; number++) signatures.add({ id: idOf(number), publicKey });
  // Announced again, so the next one is the oldest.
  signatures.add({ id: idOf(0), publicKey });
  signatures.add({ id: idOf(LOGIN_SIGNERS_MAX), publicKey });
  const isKnown = (number: number): boolean => signatures.verify('ann', `${idOf(number)}.x`) === false;
  expect([0, 1, 2, LOGIN_SIGNERS_MAX].map(isKnown)).toEqual([true, false, true, true]);
});

test('no login or link is announced while a hub runs that would stop at it', async () => {
  const cluster = new TestCluster();
  const hub = await cluster.open('a');
  const older = cluster.fleet.connect('old');
  onTestFinished(() => older.close());
  older.report({ host: 'm', version: '0.9.0', sequence: 1, hash: 1, level: 2 });
  await expect.poll(() => hub.log.stats()['otherHubs']).toBe(1);
  const refused = { code: 'not_in_cluster' };
  await expect(signaturesOf(hub).sign('ann')).rejects.toMatchObject(refused);
  const link = { owner: 'acme', channels: [], theme: {}, expiresMs: START_MS + 1000 };
  await expect(hub.portalLinks.create(link, OPERATOR)).rejects.toMatchObject(refused);
  expect((await hub.keyChanges.create(OPTIONS, by)).key.name).toBe('shop');
});
