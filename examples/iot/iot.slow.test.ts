import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Connection } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';
import { BACKLOG_TIMEOUT_MS, until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements } from '../kit/testing/measurements.ts';

const DEVICES = 500;
let example: RunningExample;
let browser: Browser;
let operator: Connection;
/** The numbers of the commands that each device has done, in their order, and when. */
const acks = new Map<string, { readonly number: number; readonly atMs: number }[]>();
const reported = new Set<string>();

beforeAll(async () => {
  // An hour is too long for a test.
  process.env['TOKEN_SECONDS'] = '30';
  [example, browser] = await Promise.all([startExample('iot'), startBrowser()]);
  operator = connect(example.hub.url, {
    getToken: async () => (await fetch(`${example.url}/api/operator`)).text(),
  });
  operator.subscribe<{ number: number }>(
    'devices.*.acks',
    ({ channel, data }) => {
      const device = deviceOf(channel);
      acks.set(device, [...(acks.get(device) ?? []), { number: data.number, atMs: Date.now() }]);
    },
    { after: 'earliest' },
  );
  operator.subscribe('devices.*.readings', ({ channel }) => void reported.add(deviceOf(channel)), {
    after: 'earliest',
  });
  await until('all devices have reported', () => reported.size === DEVICES);
});

afterAll(async () => {
  delete process.env['TOKEN_SECONDS'];
  operator.close();
  await browser.close();
  await example.stop();
});

function deviceOf(channel: string): string {
  return channel.split('.')[1] ?? '';
}

/** Sends a command with the key of the hub; returns when it is durable. */
async function command(device: string, number: number): Promise<void> {
  const response = await fetch(`${example.url}/api/commands/${device}`, {
    method: 'POST',
    body: JSON.stringify({ number }),
  });
  expect(response.status).toBe(201);
}

function numbersOf(device: string): readonly number[] {
  return (acks.get(device) ?? []).map(({ number }) => number);
}

test('devices in C, Python and shell that were off get the commands they missed, once and in order', async () => {
  const devices = { fleet: 'd7', python: 'd499', shell: 'd500' };
  for (const device of Object.values(devices)) await command(device, 1);
  await until('all have done the first', () => Object.values(devices).every((device) => numbersOf(device).includes(1)));
  // What a device has done is known to it before it loses power: its cursor is in a file.
  await command('d7', 2);
  await until('d7 has done the second', () => numbersOf('d7').includes(2));
  for (const part of Object.keys(devices)) await example.part(part).kill('SIGKILL');
  for (const device of Object.values(devices)) for (const number of [3, 4, 5]) await command(device, number);
  await example.part('hub').kill('SIGKILL');
  await example.part('hub').start();
  for (const part of Object.keys(devices)) await example.part(part).start();
  await until('all have done all', () => Object.values(devices).every((device) => numbersOf(device).includes(5)));
  for (const device of Object.values(devices)) expect(numbersOf(device).slice(-3)).toEqual([3, 4, 5]);
  expect(numbersOf('d7').filter((number) => number <= 1)).toEqual([1]);
});

test('a device that was off for long has more commands than its buffers hold, and than it may acknowledge at once: it does all', async () => {
  const numbers = Array.from({ length: 200 }, (_, index) => 1000 + index);
  const publisher = createPublisher(example.hub.url, { key: example.key });
  await example.part('fleet').kill('SIGKILL');
  const commands = numbers.map((number) => ({
    channel: 'devices.d8.commands',
    type: 'command',
    data: { number, do: 'blink' },
  }));
  await publisher.publishMany(commands);
  await example.part('fleet').start();
  // It may acknowledge twenty a second. After each refusal it waits, for up to half a minute.
  await until('d8 has done all', () => numbersOf('d8').length >= numbers.length, BACKLOG_TIMEOUT_MS);
  expect(numbersOf('d8').toSorted()).toEqual(numbers);
});

test('devices whose tokens have expired get other ones', async () => {
  const headers = { Authorization: `Bearer ${await (await fetch(`${example.url}/api/token/d1`)).text()}` };
  const url = `${example.hub.url}/v1/events?channel=devices.d1.commands`;
  await until('all tokens of before are too old', async () => (await fetch(url, { headers })).status === 401);
  const devices = ['d9', 'd499', 'd500'];
  for (const device of devices) await command(device, 2000);
  await until('all have done it', () => devices.every((device) => numbersOf(device).includes(2000)));
});

test('no device reads the commands of another', async () => {
  const token = await (await fetch(`${example.url}/api/token/d1`)).text();
  const headers = { Authorization: `Bearer ${token}` };
  const statuses = await Promise.all(
    ['devices.d1.commands', 'devices.d2.commands', 'devices.*.commands'].map(
      async (channel) => (await fetch(`${example.hub.url}/v1/events?channel=${channel}`, { headers })).status,
    ),
  );
  expect(statuses).toEqual([200, 403, 403]);
});

test('the page shows all devices, and a command to one', async () => {
  const { page, errors } = await openPage(browser, example.url, { width: 390, colorScheme: 'dark' });
  await until('all are shown', async () => (await page.locator('#online').innerText()) === '500');
  await page.click('[data-device=d499]');
  await until('it is done', async () => /^\d+ ms$/.test(await page.locator('#commands td.number').first().innerText()));
  expect(await overflow(page)).toBe(0);
  expect(errors).toEqual([]);
});

test('what a device costs', async () => {
  const rounds = process.env['MEASURE'] === undefined ? 1 : 10;
  const delays: number[] = [];
  const before = example.front.traffic(({ url }) => url?.startsWith('/v1/') === true);
  for (let round = 0; round < rounds; round++) {
    const number = 100 + round;
    const sentMs = new Map<string, number>();
    const devices = Array.from({ length: DEVICES }, (_, index) => `d${index + 1}`);
    for (let index = 0; index < DEVICES; index += 50)
      await Promise.all(
        devices.slice(index, index + 50).map((device) => {
          sentMs.set(device, Date.now());
          return command(device, number);
        }),
      );
    await until('all have done it', () => devices.every((device) => numbersOf(device).includes(number)));
    for (const device of devices)
      for (const ack of acks.get(device) ?? [])
        if (ack.number === number) delays.push(ack.atMs - (sentMs.get(device) ?? 0));
  }
  const after = example.front.traffic(({ url }) => url?.startsWith('/v1/') === true);
  const commands = DEVICES * rounds;
  recordMeasurements(import.meta.dirname, [
    {
      measured: 'a command, from the operator to its acknowledgement',
      'delay p50': milliseconds(percentile(delays, 0.5)),
      'delay p99': milliseconds(percentile(delays, 0.99)),
      'requests per command': ((after.requests - before.requests) / commands).toFixed(1),
      'bytes per command': count((after.bytes - before.bytes) / commands),
    },
  ]);
});
