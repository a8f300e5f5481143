import { expect, test } from 'vitest';
import type { ClusterBroker, ClusterHub, ClusterState } from './cluster-api.ts';
import { clusterFindings } from './cluster-findings.ts';

const HUB: ClusterHub = {
  hub: 'a',
  host: 'one',
  address: 'http://10.0.0.1:7400',
  version: '1',
  level: 4,
  state: 'answers',
  beatAgeMs: 0,
  ready: true,
  why: null,
  problems: [],
  head: 1,
  block: 10,
  behind: 0,
  hash: '72ec7ec9',
  sameData: true,
  work: ['subscriptions', 'retention'],
  sessions: 0,
  uptimeSeconds: 60,
};
const OTHER: ClusterHub = { ...HUB, hub: 'b', host: 'two', address: 'http://10.0.0.2:7400', work: [] };
const BROKER: ClusterBroker = {
  name: 'n1',
  monitoring: '10.0.0.1:8222',
  reachable: true,
  leader: true,
  replica: true,
  missingBlocks: 0,
  version: '2.12.0',
  syncAlways: true,
  syncIntervalMs: 120_000,
  storageBytes: 10,
  storageBytesMax: 1000,
};
const FOLLOWER: ClusterBroker = { ...BROKER, name: 'n2', leader: false };
const WELL: ClusterState = {
  name: 'shop',
  hub: 'a',
  time: '2026-11-21T12:00:00.000Z',
  level: 4,
  subscriptionOwner: 'a',
  journalSilentMs: 200,
  unsafe: null,
  hubs: [HUB, OTHER],
  brokers: [BROKER, FOLLOWER, { ...FOLLOWER, name: 'n3' }],
  replicasWanted: 3,
  journal: { first: 1, last: 10, blocks: 10, bytes: 1000, oldest: null, replicas: 3, leader: 'n1' },
  snapshots: [],
};
const DOWN: ClusterBroker = {
  ...FOLLOWER,
  reachable: false,
  missingBlocks: null,
  version: null,
  syncAlways: null,
  syncIntervalMs: null,
  storageBytes: null,
  storageBytesMax: null,
};

function withOther(changes: Partial<ClusterHub>): Partial<ClusterState> {
  return { hubs: [HUB, { ...OTHER, ...changes }] };
}

test('a cluster that is well has no findings', () => {
  expect(clusterFindings(WELL)).toEqual([]);
});

test('one broker without a cluster is well, also if it does not name itself as the leader', () => {
  const journal = { first: 1, last: 10, blocks: 10, bytes: 1000, oldest: null, replicas: 1, leader: null };
  expect(clusterFindings({ ...WELL, brokers: [BROKER], replicasWanted: 1, journal })).toEqual([]);
});

test.each<[string, Partial<ClusterState>, 'bad' | 'watch']>([
  ['No broker leads the journal', { journal: null }, 'watch'],
  ['has not heard the journal for 7 s', { journalSilentMs: 7_000 }, 'watch'],
  ['has not heard the journal for 12 s', { journalSilentMs: 12_000 }, 'bad'],
  [
    'Confirmed events may be lost: the brokers n2 do not have sync_interval: always.',
    { unsafe: 'the brokers n2 do not have `sync_interval: always`' },
    'bad',
  ],
  ['No hub works on subscriptions', { subscriptionOwner: null }, 'watch'],
  ['The hub on two has not been heard for 3 min 0 s.', withOther({ state: 'gone', beatAgeMs: 180_000 }), 'watch'],
  [
    'The hub on two does not answer. Its last sign was 3 s ago.',
    withOther({ state: 'silent', beatAgeMs: 3_100, ready: null, problems: null }),
    'watch',
  ],
  [
    'The hub on two accepts no work: cluster_upgrade_needed.',
    withOther({ ready: false, why: 'cluster_upgrade_needed', problems: ['cluster_upgrade_needed'] }),
    'bad',
  ],
  ['The hub on two has other data', withOther({ sameData: false, problems: ['cluster_view_differs'] }), 'bad'],
  ['The hub on two is 5,000 blocks behind', withOther({ behind: 5_000 }), 'watch'],
  ['The hub on two reports log_damaged.', withOther({ problems: ['log_damaged'] }), 'bad'],
  ['Hubs of several versions run: 1 (level 4), 2 (level 5).', withOther({ version: '2', level: 5 }), 'watch'],
  ['Only one hub runs.', { hubs: [HUB] }, 'watch'],
  ['The broker n2 does not answer at 10.0.0.1:8222.', { brokers: [BROKER, FOLLOWER, DOWN] }, 'watch'],
  [
    'The broker at 10.0.0.1:8222 does not answer.',
    { brokers: [BROKER, FOLLOWER, { ...DOWN, name: null, replica: false }] },
    'watch',
  ],
  ['The broker n2 lacks 2,000 blocks', { brokers: [BROKER, { ...FOLLOWER, missingBlocks: 2_000 }] }, 'watch'],
  ['The broker n1 has 900 B of 1 kB', { brokers: [{ ...BROKER, storageBytes: 900 }, FOLLOWER] }, 'watch'],
  ['The broker n1 has 990 B of 1 kB', { brokers: [{ ...BROKER, storageBytes: 990 }, FOLLOWER] }, 'bad'],
])('%s', (text, changes, level) => {
  const found = clusterFindings({ ...WELL, ...changes });
  expect(found.map((each) => each.text)).toEqual([expect.stringContaining(text)]);
  expect(found[0]?.level).toBe(level);
  expect(found[0]?.act).toMatch(/\.$/);
});

test('without a majority of the brokers it says so first, and then which ones do not answer', () => {
  const found = clusterFindings({ ...WELL, brokers: [BROKER, DOWN, { ...DOWN, name: 'n3' }], journal: null });
  expect(found.map(({ level }) => level)).toEqual(['bad', 'watch', 'watch']);
  expect(found[0]?.text).toBe('1 of 3 brokers can be reached: no event can be published.');
  expect(found[0]?.act).toContain('2 of 3 are enough');
});

test('hubs of one machine are told apart by their addresses', () => {
  const { text } = clusterFindings({ ...WELL, ...withOther({ host: 'one', behind: 2_000 }) })[0] ?? {};
  expect(text).toContain('The hub http://10.0.0.2:7400 on one');
});
