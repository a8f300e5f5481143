import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FIELDS } from '../../packages/server/src/config/reference.ts';
import { Follower } from '../kit/clients/followers.ts';
import { selfSigned } from '../kit/certificates.ts';
import { polycast } from '../kit/command.ts';
import { call } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';
import { BASE, LIVE_CASES, WITH } from './live-cases.ts';
import { LiveHub, withSetting, type Tree } from './live-hub.ts';

/** Settings with a test of their own below. */
const ELSEWHERE = [
  'drain.timeMs',
  'limits.connectionsPerPublicAddressMax',
  'tls.certificateFile',
  'tls.keyFile',
] as const;

test('every live setting has a case', () => {
  const live = FIELDS.filter(({ live: isLive }) => isLive !== undefined && isLive !== false).map(({ path }) => path);
  expect([...Object.keys(LIVE_CASES), ...ELSEWHERE].toSorted()).toEqual(live.toSorted());
});

describe('a reload changes the behaviour of a running hub', () => {
  let hub: LiveHub;
  let observer: Follower;
  beforeAll(async () => {
    hub = await LiveHub.start(BASE);
    observer = new Follower(hub.process.url, 'sse', { channels: ['live.>'], after: 'now', token: hub.key });
    await until('the observer listens', () => observer.cursor !== 'now');
  });
  beforeEach(() => hub.restore());
  afterAll(async () => {
    await observer.stop();
    await hub.process.end('SIGKILL');
  });

  for (const [path, { value, observe, before, after }] of Object.entries(LIVE_CASES)) {
    test(path, async () => {
      expect(await observe(hub, false)).toEqual(before);
      const others = WITH[path] ?? [];
      const config = others.reduce((tree, [name, set]) => withSetting(tree, name, set), withSetting(BASE, path, value));
      hub.write(config);
      const { applied, restart } = await hub.reload();
      expect(applied.toSorted()).toEqual([path, ...others.map(([name]) => name)].toSorted());
      expect(restart).toEqual([]);
      expect(await observe(hub, true)).toEqual(after);
      await hub.restore();
      expect(await observe(hub, false)).toEqual(before);
      expect(observer.endings).toEqual([]);
    });
  }

  test('an invalid configuration changes nothing, and every problem is named', async () => {
    hub.write({ ...BASE, rules: [{ pattern: 'a..b' }], limits: { bodyBytesMax: 'much' } });
    const reply = await hub.asServer('POST', '/v1/reload');
    expect(reply.status).toBe(422);
    const { code, problems } = reply.json<{ code: string; problems: { path: string }[] }>();
    expect([code, problems.map(({ path }) => path)]).toEqual([
      'config_invalid',
      ['rules.0.pattern', 'limits.bodyBytesMax'],
    ]);
    expect((await hub.request('GET', '/v1/events?channel=open.1')).status).toBe(200);
    const { entries } = (await hub.asServer('GET', '/v1/audit?limit=2')).json<{ entries: { action: string }[] }>();
    expect(entries[0]?.action).toBe('configuration.refused');
    expect(observer.endings).toEqual([]);
  });

  test('polycast reload prints the outcome, and ends with 78 for an invalid configuration', async () => {
    const { url } = hub.process;
    const reload = (...more: string[]) => polycast(['reload', '--url', url, '--key', hub.key, ...more]);
    expect(await reload()).toMatchObject({ code: 0, out: 'unchanged: no setting has changed\n' });
    hub.write({ ...BASE, logging: { level: 'warn' }, storage: { retentionIntervalMs: 20 } });
    const { code, out } = await reload();
    expect([code, out]).toEqual([0, 'applied: logging.level\nneeds a restart: storage.retentionIntervalMs\n']);
    hub.write({ ...BASE, logging: { level: 'loud' } });
    const refused = await reload('--json');
    expect([refused.code, refused.out]).toEqual([78, '']);
    expect(refused.err).toMatch(/nothing has changed: logging\.level must be/);
  });

  test('settings that need a restart are named, and the others of the same file are applied', async () => {
    // The flag --listen of the start overrides the file, so it has not changed.
    hub.write({ ...BASE, listen: '127.0.0.1:1', logging: { level: 'warn' }, storage: { retentionIntervalMs: 20 } });
    expect(await hub.reload()).toMatchObject({
      applied: ['logging.level'],
      restart: ['storage.retentionIntervalMs'],
    });
    hub.write(BASE);
    await hub.reload();
  });

  test('live sessions lose the channels that new rules close; sessions that may go on are not disturbed', async () => {
    const rules = BASE['rules'] as readonly Tree[];
    hub.write({ ...BASE, rules: [...rules, { pattern: 'other.>', subscribe: 'anyone' }] });
    await hub.reload();
    const closed = new Follower(hub.process.url, 'sse', { channels: ['other.1'], after: 'now' });
    const narrowed = new Follower(hub.process.url, 'websocket', { channels: ['other.2', 'open.1'], after: 'now' });
    const open = new Follower(hub.process.url, 'sse', { channels: ['open.1'], after: 'now' });
    await until('all listen', () => [closed, narrowed, open].every(({ cursor }) => cursor !== 'now'));
    hub.write(BASE);
    expect(await hub.reload()).toMatchObject({ applied: ['rules'], sessions: 2 });
    await until('the stream has ended', () => closed.endings.length > 0);
    await hub.asServer('POST', '/v1/events', { channel: 'other.2', data: 'unseen' });
    await hub.asServer('POST', '/v1/events', { channel: 'open.1', data: 'seen' });
    await until('both others receive', () => [narrowed, open].every(({ received }) => received.length === 1));
    expect([narrowed.endings, open.endings, closed.received]).toEqual([[], [], []]);
    await Promise.all([closed, narrowed, open].map((follower) => follower.stop()));
  });

  test('drain.timeMs', async () => {
    hub.write(withSetting(BASE, 'drain.timeMs', 100));
    expect(await hub.reload()).toMatchObject({ applied: ['drain.timeMs'] });
    // The drain of the start would take ten minutes.
    expect(await hub.process.end('SIGTERM')).toBe(0);
  });
});

test('limits.connectionsPerPublicAddressMax', async () => {
  const base = { ...BASE, trustedProxies: ['127.0.0.1'] };
  const hub = await LiveHub.start(base);
  const headers = 'X-Forwarded-For: 8.8.8.8\r\n';
  expect(await hub.streams(2, headers)).toEqual([200, 200]);
  await hub.change('limits.connectionsPerPublicAddressMax', 1);
  expect(await hub.streams(2, headers)).toEqual([200, 429]);
  await hub.process.end('SIGKILL');
});

test('tls.certificateFile and tls.keyFile, from one value to another', async () => {
  const [before, after] = [selfSigned('before'), selfSigned('after')];
  const hub = await LiveHub.start({ access: 'rules', tls: before });
  hub.write({ access: 'rules', tls: after });
  expect((await hub.reload()).applied).toEqual(['tls.certificateFile', 'tls.keyFile']);
  const { text } = await call(`${hub.process.url}/metrics`);
  expect(text).toMatch(/^polycast_certificate_reloads_total\{outcome="reloaded"\} 1$/m);
  hub.write({ access: 'rules' });
  expect(await hub.reload()).toMatchObject({ applied: [], restart: ['tls.certificateFile', 'tls.keyFile'] });
  await hub.process.end('SIGKILL');
});

test('a hub without access control reloads too', async () => {
  const hub = await startHubProcess();
  const reply = await call(`${hub.url}/v1/reload`, { method: 'POST' });
  expect(reply.json()).toEqual({ applied: [], restart: [], sessions: 0 });
  await hub.end('SIGTERM');
});
