import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { blocksOf } from '../../scripts/docs/blocks.ts';
import { SLOW_TEST_TIMEOUT_MS } from '../../scripts/testing/timeouts.ts';
import { call, type Reply } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { bootSystemd } from './boot-systemd.ts';
import { installPackage } from './installed-package.ts';
import { canMakeNamespaces, type Namespaces } from './namespaces.ts';

/**
 * The unit of operate/systemd, under a systemd that runs as the first process of
 * its own namespaces.
 */
const ROOT = join(import.meta.dirname, '../..');
const UNIT = join(ROOT, 'operate/systemd/polycast.service');
const SYSCTL = join(ROOT, 'operate/sysctl/90-polycast.conf');
const GUIDE = 'docs/guides/deployment.md';

/** What `systemd-analyze security` adds up; 10 is a service without any restriction. */
const EXPOSURE_MAX = 1.5;

test(`the exposure of the unit is at most ${EXPOSURE_MAX}`, () => {
  const threshold = `--threshold=${EXPOSURE_MAX * 10}`;
  const args = ['security', '--offline=true', '--no-pager', threshold, UNIT];
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  expect({ status, text: stdout + stderr }).toMatchObject({
    status: 0,
    text: expect.stringMatching(/Overall exposure/),
  });
});

describe.skipIf(!canMakeNamespaces)('under systemd (skipped unless run by root)', () => {
  let machine: Namespaces;
  let port: number;

  beforeAll(async () => {
    const installed = await installPackage();
    machine = await bootSystemd([
      [installed, '/opt/polycast'],
      [realpathSync(process.execPath), '/usr/local/bin/node'],
    ]);
    machine.output('bash', '-euc', setUpCommands());
    machine.output('systemctl', 'start', 'polycast');
    port = await machine.reach(7400);
    await isReady();
    // The journal stores a line after the hub has printed it.
    await until('the journal has the first key', () => /^pck_/m.test(journal()));
    await until('the journal has a line of the log', () => /^\{.*"level"/m.test(journal()));
  }, SLOW_TEST_TIMEOUT_MS);

  test('systemd finds nothing to complain about in the unit', () => {
    const { status, stdout, stderr } = machine.run('systemd-analyze', 'verify', '--man=no', 'polycast.service');
    expect({ status, text: stdout + stderr }).toEqual({ status: 0, text: '' });
  });

  test('the hub has no rights, and writes nowhere but in its data folder and its own /tmp', () => {
    const status = machine.output('cat', `/proc/${hubPid()}/status`);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    expect(machine.output('stat', '--format=%U', `/proc/${hubPid()}`).trim()).toBe('polycast');
    expect(machine.output('cat', `/proc/${hubPid()}/limits`)).toMatch(/^Max core file size +0 /m);
    const asHub = (command: string): number | null =>
      machine.run('nsenter', `--target=${hubPid()}`, '--mount', 'sh', '-c', command).status;
    for (const place of ['/etc/x', '/opt/polycast/x', '/usr/x', '/home/x', '/var/lib/x', '/proc/sys/kernel/hostname'])
      expect([place, asHub(`echo x > ${place}`) === 0]).toEqual([place, false]);
    for (const place of ['/var/lib/polycast/x', '/tmp/x'])
      expect([place, asHub(`echo x > ${place}`)]).toEqual([place, 0]);
    expect(asHub('test -e /root/.profile || test -e /dev/vda')).not.toBe(0);
    for (const place of ['/var/lib/polycast/run', '/tmp/run'])
      expect([place, asHub(`cp /bin/true ${place} && exec ${place}`)]).toEqual([place, 126]);
    expect(machine.run('test', '-e', '/tmp/x').status).not.toBe(0);
  });

  test('the journal holds the first key, and each line of the log is JSON', async () => {
    const lines = journal().split('\n');
    expect(lines.filter((line) => line.startsWith('pck_'))).toHaveLength(1);
    expect(lines.some((line) => line.startsWith('{') && 'level' in (JSON.parse(line) as object))).toBe(true);
    expect((await ask('/v1/events?channel=a', 'GET', undefined, '')).status).toBe(401);
  });

  test('a reload takes changed rules, and keeps the process', async () => {
    const before = hubPid();
    const read = (): Promise<Reply> => ask('/v1/events?channel=news.a', 'GET', undefined, '');
    expect((await read()).status).toBe(401);
    const rule = 'rules: [{ pattern: news.>, subscribe: anyone }]';
    machine.output('sh', '-c', `echo '${rule}' >> /etc/polycast/polycast.yaml; systemctl reload polycast`);
    await until('the rule is in force', async () => (await read()).status === 200);
    expect(hubPid()).toBe(before);
  });

  test('after SIGKILL a new hub has the same events', async () => {
    const before = hubPid();
    expect((await ask('/v1/channels/orders.1/events', 'POST', '1')).status).toBe(201);
    machine.output('kill', '-KILL', before);
    await until('systemd has restarted the hub', () => ![before, '0'].includes(hubPid()));
    await isReady();
    const page = await ask('/v1/events?channel=orders.*&after=earliest', 'GET');
    expect(page.json<{ events: unknown[] }>().events).toHaveLength(1);
  });

  test('the kernel accepts each setting of operate/sysctl', () => {
    const lines = readFileSync(SYSCTL, 'utf8').match(/^-?[\w.]+ = .+$/gm) ?? [];
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      const [, mayBeMissing, name = '', value = ''] = /^(-?)(\S+) = (.+)$/.exec(line) ?? [];
      const path = `/proc/sys/${name.replaceAll('.', '/')}`;
      if (mayBeMissing === '') expect([name, existsSync(path)]).toEqual([name, true]);
      // Not all exist in a network namespace. Those that do can be set in it alone.
      if (machine.run('test', '-w', path).status !== 0 || !name.startsWith('net.ipv4.')) continue;
      machine.output('sysctl', '--write', `${name}=${value}`);
      expect([name, machine.output('cat', path).trim().replace('\t', ' ')]).toEqual([name, value]);
    }
  });

  test('names are resolved inside the sandbox', async () => {
    const script = "dns.lookup('receiver.test', (error, address) => console.log(error ?? address))";
    const unit = readFileSync(UNIT, 'utf8')
      .replace(/^ExecStart=.*$/m, `ExecStart=/usr/local/bin/node -e "${script}"`)
      .replace('Type=exec', 'Type=oneshot');
    machine.output('sh', '-c', 'echo 192.0.2.7 receiver.test >> /etc/hosts');
    machine.output('sh', '-c', 'printf %s "$1" > /run/systemd/system/lookup.service', 'sh', unit);
    machine.output('systemctl', 'start', 'lookup');
    // The journal may have the line after the service has ended.
    const printed = (): string => machine.output('journalctl', '--unit=lookup', '--output=cat', '--quiet');
    await until('the journal has a line', () => printed() !== '');
    expect(printed()).toBe('192.0.2.7\n');
  });

  test('stopping ends all sessions, and the hub exits with 0 in time', async () => {
    const stream = call(`http://127.0.0.1:${port}/v1/events?channel=orders.>`, {
      headers: { Accept: 'text/event-stream', Authorization: `Bearer ${firstKey()}` },
    });
    await until('the hub has the stream', async () =>
      /polycast_sessions\{[^}]*sse[^}]*\} 1/.test((await ask('/metrics', 'GET')).text),
    );
    await machine.outputMeanwhile('systemctl', 'stop', 'polycast');
    expect((await stream).text).toContain('event: polycast.draining');
    expect(show('Result', 'ExecMainStatus', 'ActiveState')).toEqual(['success', '0', 'inactive']);
  });

  test('a hub whose configuration is not valid is not started again', async () => {
    machine.output(
      'sh',
      '-c',
      'echo "listen: nowhere" > /etc/polycast/polycast.yaml; systemctl start polycast || true',
    );
    await until('the hub has ended', () => show('ActiveState')[0] === 'failed');
    expect(show('ExecMainStatus', 'NRestarts')).toEqual(['78', '0']);
  });

  function show(...names: string[]): string[] {
    const text = machine.output('systemctl', 'show', 'polycast', `--property=${names.join(',')}`);
    return names.map((name) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '');
  }

  function hubPid(): string {
    return show('MainPID')[0] as string;
  }

  function journal(): string {
    return machine.output('journalctl', '--unit=polycast', '--output=cat');
  }

  function firstKey(): string {
    return /^pck_.*$/m.exec(journal())?.[0] as string;
  }

  function ask(path: string, method: string, body?: string, key: string = firstKey()): Promise<Reply> {
    const headers = { 'Content-Type': 'application/json', ...(key !== '' && { Authorization: `Bearer ${key}` }) };
    return call(`http://127.0.0.1:${port}${path}`, { method, headers, ...(body !== undefined && { body }) });
  }

  async function isReady(): Promise<void> {
    await until('the hub is ready', () =>
      ask('/readyz', 'GET', undefined, '').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
  }
});

/** The commands of the guide that copy the files of operate/ to their places. */
function setUpCommands(): string {
  const blocks = blocksOf(GUIDE, readFileSync(join(ROOT, GUIDE), 'utf8'));
  const block = blocks.find(({ text }) => text.includes('systemd-sysusers'));
  if (block === undefined) throw new Error(`${GUIDE} does not say how to install the unit`);
  return block.text;
}
