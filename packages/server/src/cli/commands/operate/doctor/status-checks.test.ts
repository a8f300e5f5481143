import { beforeAll, expect, test } from 'vitest';
import { defaultConfig, parseConfig } from '../../../../config/parse.ts';
import { openHub } from '../../../../hub.ts';
import type { HubStatus } from '../../../../operate/hub-status.ts';
import { freeSpace } from './disk-checks.ts';
import type { Finding, Patient } from './finding.ts';
import { deliveries, health, reachable } from './hub-checks.ts';
import { versions } from './machine-checks.ts';

/** The checks that judge the status of a hub: of a real one, with the numbers of a bad day. */
let healthy: HubStatus;
beforeAll(async () => {
  const memory = { listen: '127.0.0.1:0', data: ':memory:', access: 'loopback', logging: { level: 'silent' } };
  const hub = await openHub(parseConfig(memory));
  healthy = (await (await fetch(`${hub.url}/v1/status`)).json()) as HubStatus;
  await hub.close();
});

function patientWith(parts: Partial<HubStatus>, settings?: object): Patient {
  return {
    config: settings === undefined ? defaultConfig() : parseConfig(settings),
    configFile: undefined,
    hub: { url: 'http://127.0.0.1:7400', key: undefined },
    status: { ...healthy, ...parts },
    refusal: undefined,
    clockOffsetMs: 0,
    isLocal: false,
    folder: undefined,
    through: undefined,
    holdMs: 0,
  };
}

test('a hub that is not ready, or of another version, is named', async () => {
  expect(await reachable(patientWith({ ready: false, why: 'log_full' }))).toMatchObject([
    { result: 'fail', measured: expect.stringContaining('not ready: log_full') },
  ]);
  expect(await versions(patientWith({ version: '0.0.1' }))).toMatchObject([{ result: 'warn' }]);
});

test('problems and damaged ranges are failures, each with what to do', async () => {
  const findings = await health(patientWith({ problems: ['log_damaged'], log: { ...healthy.log, damagedRanges: 2 } }));
  expect(findings).toMatchObject([
    { check: 'health', result: 'fail', advice: expect.stringContaining('smartctl') },
    { check: 'log', result: 'fail', measured: '2 damaged ranges' },
  ]);
});

test('a suspended subscription is a failure, with the command that resumes it', async () => {
  const failing = [
    { id: 'sub_1', state: 'suspended', url: 'https://shop.example/hook', since: healthy.time, lagEvents: 42 },
  ];
  const { states } = healthy.subscriptions;
  const late = { ...states, active: { count: 1, lagEventsMax: 9, lagSecondsMax: 7200 } };
  const findings = await deliveries(patientWith({ subscriptions: { states: late, failing, deadLetters: 3 } }));
  expect(findings).toMatchObject([
    { check: 'webhooks', result: 'fail', advice: expect.stringContaining('polycast subscriptions resume sub_1') },
    { check: 'webhooks', result: 'warn', measured: 'a subscription is 2 h behind' },
    { check: 'dead letters', result: 'warn' },
  ]);
});

const GB = 1e9;
const DAY_SECONDS = 86_400;

/** A hub that has written 10 GB in a day. */
async function spaceWith(freeBytes: number, settings: object): Promise<Finding | undefined> {
  const [finding] = await freeSpace(
    patientWith(
      {
        uptimeSeconds: DAY_SECONDS,
        published: { ...healthy.published, bytes: 10 * GB },
        storage: { folder: '/var/lib/polycast', databaseBytes: 10 * GB, freeBytes, sizeBytes: 100 * GB },
      },
      settings,
    ),
  );
  return finding;
}

test('free space is compared with what retention will hold at the present rate', async () => {
  const week = { defaults: { historyAgeMaxSeconds: 7 * DAY_SECONDS } };
  // A week holds 70 GB, of which 10 exist.
  expect(await spaceWith(70 * GB, week)).toMatchObject({ result: 'ok' });
  expect(await spaceWith(50 * GB, week)).toMatchObject({
    result: 'warn',
    measured: expect.stringContaining('at this rate full in 5 d'),
  });
  const forever = { defaults: { historyAgeMaxSeconds: null } };
  expect(await spaceWith(80 * GB, forever)).toMatchObject({ result: 'warn', measured: expect.stringContaining('8 d') });
  expect(await spaceWith(2 * GB, week)).toMatchObject({ result: 'fail' });
  expect(await spaceWith(15 * GB, { defaults: { historyAgeMaxSeconds: 60 } })).toMatchObject({ result: 'warn' });
});
