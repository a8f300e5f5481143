import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { HubStatus } from '../../../operate/hub-status.ts';
import { openAuthenticatedHub } from '../../../testing/authenticated-hub.ts';
import { CLOSED_PORT, runCli, runInside, startTestHub } from '../../testing.ts';

test('status shows the state and the load of a hub, and ends with 0', async () => {
  const { url } = await startTestHub();
  for (const channel of ['a', 'b']) expect((await runInside(['publish', channel, '1', '--url', url])).code).toBe(0);
  const { code, out, err } = await runInside(['status', '--url', url]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^Polycast \d+\.\d+\.\d+ at \S+ is ready\n/);
  expect(out).toMatch(/log +2 events in 2 channels, head \S+-\S+\n/);
  expect(out).toMatch(/published +2 events, 0 deliveries/);
});

test('one event is not "1 events"', async () => {
  const { url } = await startTestHub();
  await runInside(['publish', 'a', '1', '--url', url]);
  const { out } = await runInside(['status', '--url', url]);
  expect(out).toMatch(/log +1 event in 1 channel, head/);
  expect(out).toMatch(/published +1 event, 0 deliveries/);
});

test('--json prints one document with every member', async () => {
  const { url } = await startTestHub();
  const { out } = await runInside(['status', '--json', '--url', url]);
  const found = JSON.parse(out) as HubStatus;
  expect(found).toMatchObject({ ready: true, why: null, problems: [], log: { head: 0 }, storage: { folder: null } });
  expect(found.process).toMatchObject({ pid: process.pid, openFilesMax: expect.any(Number) });
});

test('without a hub it ends with 1, and says so in JSON too', async () => {
  const url = String(CLOSED_PORT);
  const { code, out, err } = await runInside(['status', '--json', '--url', url]);
  expect({ code, out: JSON.parse(out) as unknown }).toEqual({ code: 1, out: { ready: false, why: 'unreachable' } });
  expect(err).toContain('no hub answers');
});

test('a hub that requires a key still says whether it is ready', async () => {
  const { url, firstKey } = await openAuthenticatedHub();
  const { code, out, err } = await runInside(['status', '--url', url]);
  expect({ code, out }).toEqual({ code: 0, out: `Polycast at ${url} is ready\n` });
  expect(err).toContain('Give a key with --key');
  expect((await runInside(['status', '--url', url, '--key', firstKey as string])).out).toContain('since');
});

test('--ready is silent for a hub that is ready, in a process of its own', async () => {
  const { url } = await startTestHub();
  expect(await runCli(['status', '--ready', '--url', url])).toEqual({ code: 0, out: '', err: '' });
});

test('--ready ends with 1 and the reason where the hub does not answer, or does not in time', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close().closeAllConnections());
  await once(silent, 'listening');
  for (const [port, timeout, reason] of [
    [CLOSED_PORT, '60', /no hub answers at \S+ \(ECONNREFUSED\)/],
    [(silent.address() as AddressInfo).port, '1', /no hub answers at \S+ \(no answer within 1000 ms\)/],
  ] as const) {
    const { code, out, err } = await runInside(['status', '--ready', '--timeout', timeout, '--url', String(port)]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(reason);
  }
});
