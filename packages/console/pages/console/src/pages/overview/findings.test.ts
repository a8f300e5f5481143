import { expect, test } from 'vitest';
import { findingsOf } from './findings.ts';
import { withConnections, type HubStatus, type StatusHistory } from './status.ts';

const NOW = '2026-11-21T12:00:00.000Z';
const WELL: HubStatus = {
  ready: true,
  why: null,
  problems: [],
  version: '1',
  nodeVersion: '26',
  time: NOW,
  started: NOW,
  uptimeSeconds: 1,
  process: { residentBytes: 1, openFiles: 10, openFilesMax: 1000 },
  log: { events: 1, channels: 1, cursor: '', queueBytes: 0, queueBytesMax: 100 },
  storage: { folder: '/', databaseBytes: 1, freeBytes: 50, sizeBytes: 100 },
  sessions: { sse: 1 },
  readers: { count: 1, lagEventsMax: 0 },
  subscriptions: { states: {}, failing: [] },
  limits: { connectionsMax: 100, channelsMax: 1000 },
  certificate: null,
};
const QUIET: StatusHistory = { stepSeconds: 5, times: [Date.parse(NOW)], values: {} };

test('a hub that is well has no findings', () => {
  expect(findingsOf(WELL, QUIET)).toEqual([]);
});

test.each<[string, Partial<HubStatus>, Record<string, readonly number[]>, 'bad' | 'watch']>([
  ['The hub accepts no events: log_full.', { ready: false, why: 'log_full' }, {}, 'bad'],
  ['A part of the log is damaged', { problems: ['log_damaged'] }, {}, 'bad'],
  ['The certificate expires in 3 days.', { certificate: { expires: '2026-11-24T13:00:00Z' } }, {}, 'watch'],
  ['The certificate has expired.', { certificate: { expires: '2026-11-20T13:00:00Z' } }, {}, 'bad'],
  [
    '2 subscriptions suspended',
    { subscriptions: { states: { suspended: { count: 2, lagSecondsMax: 0 } }, failing: [] } },
    {},
    'bad',
  ],
  [
    'Deliveries to https://a.example have failed for 1 h 0 min.',
    {
      subscriptions: {
        states: {},
        failing: [{ id: 's', state: 'active', url: 'https://a.example', since: '2026-11-21T11:00:00Z' }],
      },
    },
    {},
    'watch',
  ],
  [
    'waits for events of 2 min 0 s ago',
    { subscriptions: { states: { active: { count: 1, lagSecondsMax: 120 } }, failing: [] } },
    {},
    'watch',
  ],
  ['The disk has 5 B left.', { storage: { ...WELL.storage, freeBytes: 5 } }, {}, 'bad'],
  ['90 B wait to be stored', { log: { ...WELL.log, queueBytes: 90 } }, {}, 'bad'],
  ['90 of 100 connections are open.', { sessions: { sse: 90 } }, {}, 'watch'],
  ['The log has 900 of 1,000 channels.', { log: { ...WELL.log, channels: 900 } }, {}, 'watch'],
  ['it refuses events of new ones', { log: { ...WELL.log, channels: 1000 } }, {}, 'bad'],
  ['900 of 1,000 files are open.', { process: { ...WELL.process, openFiles: 900 } }, {}, 'watch'],
  ['A reader is 20,000 events behind.', { readers: { count: 1, lagEventsMax: 20_000 } }, {}, 'watch'],
  ['1 publish could not be stored.', {}, { failed: [1] }, 'bad'],
  ['2 events became dead letters lately.', {}, { deadLetters: [2] }, 'watch'],
  ['work waits up to 500 ms', {}, { 'eventLoopDelay.p99Seconds': [0.2, 0.2, 0.5, 0.2, 0.2, 0.2] }, 'watch'],
])('%s', (text, status, values, level) => {
  const found = findingsOf({ ...WELL, ...status }, { ...QUIET, values });
  expect(found).toHaveLength(1);
  expect(found[0]?.text).toContain(text);
  expect(found[0]?.level).toBe(level);
});

test('what must be acted on comes before what is to be watched', () => {
  const found = findingsOf({ ...WELL, sessions: { sse: 90 }, problems: ['log_damaged'] }, QUIET);
  expect(found.map(({ level }) => level)).toEqual(['bad', 'watch']);
});

test.each([[[0.5]], [[0.5, 0.5, 0.5, 0.5, 0.5]], [[0.5, 0.5, 0.5, 0.05, 0.5, 0.5, 0.5]]])(
  'work that was late in %j is not a finding: it does not last',
  (delays) => {
    expect(findingsOf(WELL, { ...QUIET, values: { 'eventLoopDelay.p99Seconds': delays } })).toEqual([]);
  },
);

test('the chart of the connections ends with the connections of the status, and other charts with their own sample', () => {
  const history = {
    ...QUIET,
    times: [1, 2],
    values: { 'sessions.sse': [4, 5], 'sessions.websocket': [7, 8], failed: [0, 9] },
  };
  expect(withConnections(history, WELL).values).toEqual({
    'sessions.sse': [4, 1],
    'sessions.websocket': [7, 0],
    failed: [0, 9],
  });
  const elsewhere = { ...WELL, cluster: { name: 'c', hub: 'other', host: 'h', hubs: 2 } };
  expect(withConnections(history, elsewhere)).toEqual(history);
});
