import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../../../config/parse.ts';
import { openHub, type Hub } from '../../../../hub.ts';
import { systemWorld, type World } from '../../../../operate/world.ts';
import { openEndpoint } from '../../../../testing/subscription-hub.ts';
import { CLOSED_PORT, runInside, temporaryFolder } from '../../../testing.ts';
import { certainOffset } from './examination.ts';
import type { Finding } from './finding.ts';

interface Report {
  readonly code: number | null;
  readonly result: string;
  readonly findings: readonly Finding[];
  of(check: string): readonly Finding[];
}

async function examine(...args: readonly string[]): Promise<Report> {
  const { code, out, err } = await runInside(['doctor', '--json', ...args]);
  expect(err).toBe('');
  const { result, findings } = JSON.parse(out) as { result: string; findings: Finding[] };
  for (const each of findings)
    if (['warn', 'fail'].includes(each.result)) expect(each.advice, each.check).toBeDefined();
  return { code, result, findings, of: (check) => findings.filter((each) => each.check === check) };
}

/** A hub with so few connections that every machine has enough open files. */
async function startHub(settings: object = {}, world: World = systemWorld): Promise<Hub> {
  const few = { limits: { connectionsMax: 100 }, outgoing: { connectionsMax: 10 } };
  const base = { listen: '127.0.0.1:0', data: ':memory:', access: 'loopback', logging: { level: 'silent' } };
  const hub = await openHub(parseConfig({ ...base, ...few, ...settings }), { world });
  onTestFinished(() => hub.close());
  return hub;
}

const FEW = ['--set', 'outgoing.connectionsMax=10'];

test('a hub that is well has no finding, and ends with 0', async () => {
  const data = temporaryFolder();
  const { url } = await startHub({ data });
  const { code, out } = await runInside(['doctor', '--url', url, ...FEW]);
  const trouble = out.split('\n').filter((line) => /^(?:warn|fail)/.test(line));
  // A machine for tests may have little free space, or its folders in memory. It may also be busy.
  expect(trouble.filter((line) => !/^warn {2}(?:free space|file system|fsync|clock)/.test(line))).toEqual([]);
  expect(code).toBe(trouble.length === 0 ? 0 : 3);
  expect(out).toMatch(/^(?:ok|warn) +fsync +median [\d.]+ (?:µs|ms), slowest [\d.]+ (?:µs|ms|s) of \d+ in /m);
  expect(out).toMatch(/^ok +permissions +\d+ files and folders, for their owner alone$/m);
  expect(out).toContain(data);
});

test('without a hub it still checks the machine, and names a program that has the port', async () => {
  const { code, result, of } = await examine('--url', String(CLOSED_PORT), '--data', temporaryFolder());
  expect({ code, result }).toEqual({ code: 1, result: 'fail' });
  expect(of('hub')).toMatchObject([{ result: 'fail', measured: expect.stringContaining('does not answer') }]);
  expect(of('fsync')).toMatchObject([{ measured: expect.stringContaining('median') }]);

  const other = createServer((_request, response) => response.writeHead(404).end('nothing')).listen(0, '127.0.0.1');
  onTestFinished(() => void other.close().closeAllConnections());
  await once(other, 'listening');
  const taken = await examine('--url', String((other.address() as AddressInfo).port), '--data', ':memory:');
  expect(taken.of('hub')).toMatchObject([{ measured: expect.stringContaining(`process ${process.pid} (node`) }]);
});

test('an invalid configuration is a finding, and the other checks go on', async () => {
  const { of, findings } = await examine('--url', String(CLOSED_PORT), '--set', 'drain.timeMs=x');
  expect(of('configuration')).toMatchObject([{ result: 'fail', measured: expect.stringContaining('drain.timeMs') }]);
  expect(findings.length).toBeGreaterThan(8);
});

test('a limit of open files below the connections is a warning, with the number that is needed', async () => {
  const limits = { connectionsMax: 1_000_000 };
  const { url, firstKey = '' } = await startHub({ access: 'rules', data: temporaryFolder(), limits });
  const { code, of } = await examine('--url', url, '--key', firstKey, ...FEW);
  expect(code).toBe(3);
  const advice = expect.stringContaining('LimitNOFILE=1000210') as unknown;
  const measured = expect.stringMatching(/1,000,210 for 1,000,000 connections, so the hub takes [\d,]+$/) as unknown;
  expect(of('open files')).toMatchObject([{ result: 'warn', measured, advice }]);
  // On a developer's machine no crowd comes.
  const open = await startHub({ limits });
  expect((await examine('--url', open.url, ...FEW)).of('open files')).toMatchObject([{ result: 'ok', advice }]);
});

test('a hub that does not answer is a failure, but before its first start a warning', async () => {
  const folder = temporaryFolder();
  const own = ['--url', String(CLOSED_PORT), '--listen', `127.0.0.1:${CLOSED_PORT}`];
  const { of } = await examine(...own, '--data', folder);
  expect(of('hub')).toMatchObject([{ result: 'fail', advice: expect.stringContaining('polycast dev') }]);
  const before = await examine(...own, '--data', join(folder, 'none'));
  expect(before.of('hub')).toMatchObject([{ result: 'warn', advice: expect.stringContaining('polycast serve') }]);
});

test('says that it checked no configuration, and where to see all problems of one', async () => {
  const none = await examine('--url', String(CLOSED_PORT));
  expect(none.of('configuration')).toMatchObject([{ result: 'ok', measured: 'no file given: defaults checked' }]);
  const file = join(temporaryFolder(), 'hub.yaml');
  writeFileSync(file, 'drain: {timeMs: x}\n');
  const broken = await examine('--url', String(CLOSED_PORT), '--config', file);
  expect(broken.of('configuration')[0]?.advice).toContain(`polycast config check --config ${file}`);
});

test('a clock that differs from the one here by a minute is a failure', async () => {
  const clock = { ...systemWorld.clock, nowMs: () => systemWorld.clock.nowMs() - 60_000 };
  const { url } = await startHub({}, { ...systemWorld, clock });
  const { of } = await examine('--url', url, ...FEW);
  expect(of('clock')[0]).toMatchObject({
    result: 'fail',
    // A slow request makes less of it certain.
    measured: expect.stringMatching(/the hub is [56]\d\.\d s behind/),
  });
});

test('a slow answer does not make a clock wrong, and what is beyond the answer is certain', () => {
  expect(certainOffset(5000, 4000, 9000)).toBe(0);
  expect(certainOffset(3000, 4000, 9000)).toBe(-1000);
  expect(certainOffset(11_000, 4000, 9000)).toBe(2000);
});

test('files that other users can read are named, with the command that hides them', async () => {
  const folder = temporaryFolder();
  const secretFile = join(folder, 'secret');
  writeFileSync(secretFile, 'a secret of thirty-two bytes or more', { mode: 0o644 });
  chmodSync(secretFile, 0o644);
  const config = join(folder, 'hub.yaml');
  writeFileSync(config, `identity: { tokens: [{ keys: [{ algorithm: HS256, secretFile: ${secretFile} }] }] }\n`);
  const { of } = await examine('--config', config, '--data', ':memory:', '--url', String(CLOSED_PORT));
  expect(of('permissions')).toMatchObject([{ result: 'warn', advice: `chmod go= ${secretFile}` }]);
});

test('a file that goes away between its listing and its look is left out', async () => {
  const folder = temporaryFolder();
  const before = await examine('--data', folder, '--url', String(CLOSED_PORT));
  // It is listed, but there is nothing to look at: as a file that a running hub renames.
  symlinkSync(join(folder, 'gone'), join(folder, 'listed'));
  const { of } = await examine('--data', folder, '--url', String(CLOSED_PORT));
  expect(of('permissions')).toEqual(before.of('permissions'));
  expect(of('permissions')).toMatchObject([
    { result: 'ok', measured: expect.stringMatching(/^1 files and folders, /) },
  ]);
});

test('a data folder in memory is a warning', async () => {
  const TMPFS = 0x01021994;
  if (statfsSync('/dev/shm').type !== TMPFS) throw new Error('/dev/shm is not a tmpfs on this machine');
  const { of } = await examine('--url', String(CLOSED_PORT), '--data', '/dev/shm/polycast-doctor');
  expect(of('file system')).toMatchObject([{ result: 'warn', measured: expect.stringContaining('tmpfs') }]);
});

test('a certificate that soon expires, that is for another host or without its chain is found', async () => {
  const folder = temporaryFolder();
  const certificate = (days: number): readonly string[] => {
    const [keyFile, certificateFile] = [join(folder, `${days}.key`), join(folder, `${days}.pem`)];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const names = ['-subj', '/CN=hub.example', '-addext', 'subjectAltName=DNS:hub.example'];
    const files = ['-keyout', keyFile, '-out', certificateFile];
    execFileSync('openssl', [...made, ...names, '-days', String(days), ...files], { stdio: 'ignore' });
    const fields = { 'tls.keyFile': keyFile, 'tls.certificateFile': certificateFile };
    return Object.entries(fields).flatMap(([field, file]) => ['--set', `${field}=${file}`]);
  };
  const results: string[] = [];
  for (const days of [1, 10, 60]) {
    const { of } = await examine('--url', String(CLOSED_PORT), '--data', ':memory:', ...certificate(days));
    results.push(...of('certificate').map(({ result }) => result));
  }
  expect(results).toEqual(['fail', 'warn', 'ok']);
  const publicUrl = ['--set', 'publicUrl=https://other.example'];
  const { of } = await examine('--url', String(CLOSED_PORT), ...certificate(60), ...publicUrl);
  expect(of('certificate').at(-1)?.measured).toContain('is not for other.example');

  // The hub presents it: nobody trusts a certificate that it has signed itself.
  const files = certificate(60)
    .filter((each) => each !== '--set')
    .map((each) => each.split('='));
  const tls = Object.fromEntries(files.map(([field = '', file]) => [field.slice(4), file]));
  const hub = await startHub({ tls });
  const presented = await examine('--url', hub.url.replace('127.0.0.1', 'localhost'), '--data', ':memory:');
  expect(presented.of('certificate')).toMatchObject([
    { result: 'fail', measured: expect.stringContaining('not trusted') },
  ]);
});

test('a webhook that fails is a warning, with the command that shows why', async () => {
  const { url } = await startHub();
  const endpoint = await openEndpoint((_request, response) => void response.writeHead(500).end());
  const definition = { channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url } };
  const send = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  };
  const { id } = await send('/v1/subscriptions', definition);
  await send('/v1/events', { channel: 'a', data: 1 });
  await expect
    .poll(async () => (await examine('--url', url, ...FEW)).of('webhooks'))
    .toMatchObject([{ result: 'warn', advice: `See why: polycast subscriptions attempts ${String(id)}` }]);
});
