import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { openAuthenticatedHub } from '../testing/authenticated-hub.ts';

describe('reading history', () => {
  test('is allowed for callers that may subscribe', async () => {
    const hub = await openAuthenticatedHub();
    expect((await fetch(`${hub.url}/v1/channels/log/history`)).status).toBe(401);
    expect((await fetch(`${hub.url}/v1/channels/log/history?token=${hub.token('ann')}`)).status).toBe(200);
  });

  test('is checked for every parameter and header that requests it', async () => {
    const hub = await openAuthenticatedHub();
    const token = hub.token('ann');
    expect((await fetch(`${hub.url}/v1/events?channel=live&token=${token}`)).status).toBe(200);
    for (const query of ['after=earliest', 'history=5'])
      expect((await fetch(`${hub.url}/v1/events?channel=live&token=${token}&${query}`)).status).toBe(403);
    const stream = await hub.follow('channel=live', token, { 'Last-Event-ID': 'earliest' });
    expect(stream.status).toBe(403);
    const socket = hub.socket(`token=${token}`);
    for (const members of [{ after: 'earliest' }, { history: 5 }])
      expect(await socket.request({ op: 'subscribe', channels: ['live'], ...members })).toMatchObject({
        error: { code: 'forbidden' },
      });
  });
});

describe('a cursor', () => {
  test.each([
    ['in memory', 16 * 1024 * 1024],
    ['on the disk', 65_536],
  ])(
    'that is old requires permission for history, also if it is invented; events after it: %s',
    async (_name, tailBytesMax) => {
      const hub = await openAuthenticatedHub({ identity: { resumeSeconds: 60 }, delivery: { tailBytesMax } }, 20);
      const token = hub.token('ann');
      const answer = await fetch(`${hub.url}/v1/events?channel=live&token=${token}`);
      const { cursor } = (await answer.json()) as { cursor: string };
      const made = cursor.slice(0, 11) + '0'.repeat(11);
      await hub.publish('live', 'x');
      const statusOf = async (after: string): Promise<number> =>
        (await fetch(`${hub.url}/v1/events?channel=live&token=${token}&after=${after}`)).status;
      expect(await statusOf(cursor)).toBe(200);
      for (let count = 0; count < 10; count++) await hub.publish('other', 'x'.repeat(20_000));
      await vi.waitFor(async () => expect(await statusOf(cursor)).toBe(403), 5000);
      expect(await statusOf(made)).toBe(403);
      const socket = hub.socket(`token=${token}`);
      expect(await socket.request({ op: 'subscribe', channels: ['live'], after: cursor })).toMatchObject({
        error: { code: 'forbidden' },
      });
      expect((await hub.follow('channel=live', token, { 'Last-Event-ID': cursor })).status).toBe(403);
      // A caller with the permission `history` may resume from the old cursor.
      expect((await fetch(`${hub.url}/v1/events?channel=log&token=${token}&after=${cursor}`)).status).toBe(200);
      const server = await hub.administer('GET', `/v1/events?channel=live&after=${cursor}`);
      expect(await server.json()).toMatchObject({ events: [{ data: 'x' }] });
      // The head is never in the past.
      await hub.publish('other', 1);
      const now = (await (await fetch(`${hub.url}/v1/events?channel=live&token=${token}`)).json()) as {
        cursor: string;
      };
      expect(await statusOf(now.cursor)).toBe(200);
    },
  );
});

test('an old cursor requires permission for history also where the event after it is damaged on the disk', async () => {
  const data = temporaryFolder();
  const hub = await openAuthenticatedHub(
    { data, identity: { resumeSeconds: 60 }, delivery: { tailBytesMax: 65_536 } },
    20,
  );
  const token = hub.token('ann');
  const answer = await fetch(`${hub.url}/v1/events?channel=live&token=${token}`);
  const { cursor } = (await answer.json()) as { cursor: string };
  const text = 'the event that is lost';
  await hub.publish('other', text);
  await hub.publish('live', 'x');
  for (let count = 0; count < 10; count++) await hub.publish('other', 'x'.repeat(20_000));
  for (const file of ['log.db', 'log.db-wal'].map((name) => join(data, name))) {
    const bytes = readFileSync(file);
    const changed = Buffer.from(bytes.toString('latin1').replaceAll(text, text.toUpperCase()), 'latin1');
    if (!changed.equals(bytes)) writeFileSync(file, changed);
  }
  const status = async (): Promise<number> =>
    (await fetch(`${hub.url}/v1/events?channel=live&token=${token}&after=${cursor}`)).status;
  await vi.waitFor(async () => expect(await status()).toBe(403), 20_000);
  expect(await (await hub.administer('GET', `/v1/events?channel=>&after=${cursor}`)).json()).toMatchObject({
    gaps: [{ from: cursor, reason: 'corrupt' }],
  });
});

describe('connections', () => {
  test('are bounded by user, also after a late authentication', async () => {
    const hub = await openAuthenticatedHub({ limits: { connectionsPerUserMax: 2 } });
    const query = `channel=news.a&token=${hub.token('ann')}`;
    const streams = [hub.socket(query), hub.socket(query)];
    for (const each of streams) await each.waitForMessage({ op: 'ready' });
    const refused = await hub.follow('channel=news.a', hub.token('ann'));
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, '5']);
    await refused.waitForEnd();
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'too_many_connections', limit: 2 });
    expect(await hub.socket(query).waitForRefusal()).toBe(429);
    expect((await fetch(`${hub.url}/v1/events?${query}&wait=5`)).status).toBe(429);
    expect((await fetch(`${hub.url}/v1/events?${query}`)).status).toBe(200);
    const later = hub.socket('');
    expect(await later.request({ op: 'auth', token: hub.token('ann') })).toMatchObject({
      error: { code: 'too_many_connections' },
    });
    const other = hub.socket(`channel=news.a&token=${hub.token('bob')}`);
    await other.waitForMessage({ op: 'ready' });
    streams[0]?.close();
    await vi.waitFor(async () => expect((await hub.follow('channel=news.a', hub.token('ann'))).status).toBe(200));
  });

  test('are bounded by address, which trusted proxies forward', async () => {
    const hub = await openAuthenticatedHub({
      limits: { connectionsPerAddressMax: 1 },
      trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'],
    });
    const from = (forwarded: string): Promise<number> =>
      hub.follow('channel=news.a', undefined, { 'X-Forwarded-For': forwarded }).then(({ status }) => status);
    expect(await from('192.0.2.1')).toBe(200);
    // A client can forge the entries before the first address that is not a trusted proxy.
    expect(await from('198.51.100.9, 192.0.2.1, 10.1.1.1')).toBe(429);
    expect(await from('192.0.2.1, 192.0.2.2')).toBe(200);
    expect(await from('2001:db8::1')).toBe(200);
    expect(await from('2001:db8::2')).toBe(429);
    expect(await from('2001:db8:0:1::2')).toBe(200);
  });

  test('are bounded by public address by default, and not by those of unlisted proxies', async () => {
    const hub = await openAuthenticatedHub({
      limits: { connectionsPerPublicAddressMax: 1 },
      trustedProxies: ['127.0.0.0/8'],
    });
    const from = (forwarded: string): Promise<number> =>
      hub.follow('channel=news.a', undefined, { 'X-Forwarded-For': forwarded }).then(({ status }) => status);
    expect([await from('198.51.100.1'), await from('198.51.100.1'), await from('198.51.100.2')]).toEqual([
      200, 429, 200,
    ]);
    expect([await from('10.0.0.1'), await from('10.0.0.1')]).toEqual([200, 200]);
    const { limits } = loadConfig({}).config;
    expect(limits.connectionsPerPublicAddressMax).toBeLessThanOrEqual(limits.connectionsMax / 10);
  });

  test('of servers count neither per server nor per address, also after a late authentication', async () => {
    const hub = await openAuthenticatedHub({ limits: { connectionsPerAddressMax: 2 } });
    const servers = Array.from({ length: 5 }, () =>
      hub.socket('', { headers: { Authorization: `Bearer ${hub.firstKey}` } }),
    );
    for (const each of servers) await each.waitForMessage({ op: 'ready' });
    const later = hub.socket('');
    expect(await later.request({ op: 'auth', token: hub.firstKey })).toMatchObject({ ok: true });
    const people = [hub.socket(''), hub.socket('')];
    for (const each of people) await each.waitForMessage({ op: 'ready' });
    expect(await hub.socket('').waitForRefusal()).toBe(429);
    later.close();
    await later.waitForClose();
    people[0]?.close();
    await people[0]?.waitForClose();
    await vi.waitFor(async () => expect((await hub.follow('channel=news.a')).status).toBe(200));
    expect(await hub.socket('').waitForRefusal()).toBe(429);
  });
});
