import { expect, test } from 'vitest';
import { findingsOf } from './findings.ts';
import type { HubStatus, StatusHistory } from './status.ts';

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
  ['work waits up to 500 ms', {}, { 'eventLoopDelay.p99Seconds': [0.5] }, 'watch'],
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
