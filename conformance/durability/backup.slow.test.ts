import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { ISSUER, signToken } from '../identity/kit/tokens.ts';
import { Endpoint } from '../kit/clients/endpoint.ts';
import { Follower } from '../kit/clients/followers.ts';
import { polycast, startPolycast } from '../kit/command.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call, type Reply } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { pause, until } from '../kit/wait.ts';

const SECRET = 'a secret of at least thirty-two bytes';
const CONFIG = {
  access: 'rules',
  identity: { tokens: [{ issuer: ISSUER, audience: 'polycast', keys: [{ algorithm: 'HS256', secret: SECRET }] }] },
  // A present user must not count as gone before the hub is back.
  presence: { systemEvents: true, graceSeconds: 300 },
  rules: [{ pattern: 'room.>', subscribe: 'anyone', publish: 'server', presence: 'anyone' }],
};

test('a restored hub continues with all data of the backup, in a new epoch', async () => {
  const data = temporaryFolder('backed-up');
  const file = join(temporaryFolder('backups'), 'polycast.backup');
  let status = 500;
  const endpoint = await Endpoint.open(() => status);
  onTestFinished(() => endpoint.close());
  const outgoing = { allow: [new URL(endpoint.url).host] };
  const config = { ...CONFIG, outgoing, subscriptions: { trustedEndpoints: [endpoint.url] } };
  const hub = await startHubProcess({ data, config });
  const key = await firstKey(hub);
  const first = asking(hub.url, key);
  const dropping = { kind: 'webhook', url: `${endpoint.url}/dropping`, retryDelaysSeconds: [] };
  const delays = Array.from({ length: 30 }, () => 2);
  const patient = { kind: 'webhook', url: `${endpoint.url}/patient`, retryDelaysSeconds: delays };
  const webhook = await first('POST', '/v1/subscriptions', { channels: ['room.1'], delivery: dropping });
  const waiting = await first('POST', '/v1/subscriptions', { channels: ['room.1'], delivery: patient });
  const queue = await first('POST', '/v1/subscriptions', { channels: ['room.2'], delivery: { kind: 'pull' } });
  expect([webhook.status, waiting.status, queue.status], webhook.text).toEqual([201, 201, 201]);
  const made = await first('POST', '/v1/keys', { name: 'shop', scopes: { publish: ['>'] } });
  const ada = signToken(SECRET, 'ada', { iat: Math.floor(Date.now() / 1000) - 60 });
  expect((await first('POST', '/v1/revocations', { user: 'ada' })).status).toBe(201);
  const bob = signToken(SECRET, 'bob');
  const follower = new Follower(hub.url, 'sse', { channels: ['room.1'], after: 'now', token: bob });
  onTestFinished(() => follower.stop());
  await until('bob is there', async () => (await membersOf(first)).length === 1);
  const members = await membersOf(first);
  const published = await first('POST', '/v1/events', { channel: 'room.1', data: 'kept' });
  expect((await first('POST', '/v1/events', { channel: 'room.2', data: 'work' })).status).toBe(201);
  const deadLetters = async (ask: Ask): Promise<unknown[]> =>
    (await ask('GET', `/v1/subscriptions/${idOf(webhook)}/dead-letters`)).json<{ deadLetters: unknown[] }>()
      .deadLetters;
  await until('there is a dead letter', async () => (await deadLetters(first)).length === 1);
  await until('presence is stored', () => rowsOf(join(data, 'presence.sqlite'), 'member').length === 1);
  await until('the session is in the journal', () => existsSync(join(data, 'sessions/000000000001.lines')));

  const { code, out, err } = await polycast(['backup', file, '--data', data, '--json']);
  expect([code, err]).toEqual([0, '']);
  const result = JSON.parse(out) as { log: { events: number; epoch: string }; files: { name: string }[] };
  expect(result.files.map(({ name }) => name)).toEqual([
    'subscriptions.sqlite',
    'presence.sqlite',
    'sessions/000000000001.lines',
    'sessions/journal.json',
    'identity.sqlite',
  ]);
  expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
  expect(readdirSync(join(file, '..'))).toEqual(['polycast.backup']);
  expect((await first('POST', '/v1/events', { channel: 'room.1', data: 'later' })).status).toBe(201);
  await follower.stop();

  const inUse = await polycast(['restore', file, '--data', data, '--overwrite']);
  expect([inUse.code, inUse.err]).toEqual([1, expect.stringContaining(String(hub.pid))]);
  await hub.end('SIGTERM');
  const refused = await polycast(['restore', file, '--data', data]);
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('--overwrite')]);

  const restoredData = join(temporaryFolder('restored'), 'data');
  const restored = await polycast(['restore', file, '--data', restoredData, '--json']);
  expect([restored.code, restored.err]).toEqual([0, '']);
  const { epoch } = JSON.parse(restored.out) as { epoch: string };
  expect(epoch > result.log.epoch).toBe(true);
  for (const name of readdirSync(restoredData))
    expect((statSync(join(restoredData, name)).mode & 0o777).toString(8), name).toBe(
      name === 'sessions' ? '700' : '600',
    );
  status = 200;
  const before = endpoint.received.length;
  const again = await startHubProcess({ data: restoredData, config });
  const ask = asking(again.url, key);
  expect((await call(`${again.url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect((await ask('GET', '/v1/channels/room.1')).text).toBe('"kept"');

  // Cursors: the event of the backup is there, and an old cursor gets the gap.
  const { id } = published.json<{ id: string }>();
  const poll = (await call(`${again.url}/v1/events?channel=room.1&after=${id}`)).json<{ gaps: { reason: string }[] }>();
  expect(poll.gaps).toMatchObject([{ reason: 'epoch' }]);

  // Subscriptions: the retry that was waiting is sent, after the gap; the work is in the queue.
  const sent = (path: string): readonly string[] =>
    endpoint.received.slice(before).flatMap((each) => (each.path === path ? [JSON.stringify(each.payload)] : []));
  await until('the event is sent', () => sent('/patient').includes('"kept"'));
  await until('both gaps are sent', () =>
    ['/patient', '/dropping'].every((path) => sent(path).some((data) => data.includes('"reason":"epoch"'))),
  );
  expect(sent('/patient').concat(sent('/dropping'))).not.toContain('"later"');
  expect(await deadLetters(ask)).toMatchObject([{ channel: 'room.1' }]);
  const retried = await ask('POST', `/v1/subscriptions/${idOf(webhook)}/dead-letters/retry`);
  expect([retried.status, retried.text]).toEqual([202, '{"retried":1}']);
  await until('the dead letter is sent', () => sent('/dropping').includes('"kept"'));
  const leased = await ask('POST', `/v1/subscriptions/${idOf(queue)}/pull`, { waitSeconds: 5 });
  expect(leased.text).toContain('epoch');
  const { events } = leased.json<{ events: { lease: string }[] }>();
  await ask('POST', `/v1/subscriptions/${idOf(queue)}/ack`, { leases: events.map(({ lease }) => lease) });
  const work = await ask('POST', `/v1/subscriptions/${idOf(queue)}/pull`, { waitSeconds: 5 });
  expect(leased.text + work.text).toContain('"work"');

  // Identity and presence.
  const shop = asking(again.url, made.json<{ key: string }>().key);
  expect((await shop('POST', '/v1/events', { channel: 'room.3', data: 1 })).status).toBe(201);
  const revoked = await asking(again.url, ada)('GET', '/v1/events?channel=room.1&presence=none');
  expect([revoked.status, revoked.json<{ code: string }>().code]).toEqual([401, 'unauthorized']);
  const back = new Follower(again.url, 'sse', { channels: ['room.1'], after: 'now', token: bob });
  onTestFinished(() => back.stop());
  await until('bob is there again', async () => (await membersOf(ask)).length === 1);
  // The time of joining is from the backup, so for observers the user never left.
  expect(await membersOf(ask)).toEqual(members);
  await back.stop();
  await again.end('SIGTERM');

  // Over existing data, for a trial: nothing is lost by mistake, and no webhook is sent.
  const over = await polycast(['restore', file, '--data', restoredData, '--overwrite', '--pause-webhooks', '--json']);
  expect(JSON.parse(over.out)).toMatchObject({ webhooksPaused: 2 });
  const third = await startHubProcess({ data: restoredData, config });
  expect((await call(`${third.url}/healthz`)).json()).toEqual({ status: 'ok' });
  const listed = (await asking(third.url, key)('GET', '/v1/subscriptions')).json<{
    subscriptions: { state: string; delivery: { kind: string } }[];
  }>();
  expect(listed.subscriptions.map(({ delivery, state }) => `${delivery.kind} ${state}`).toSorted()).toEqual([
    'pull active',
    'webhook paused',
    'webhook paused',
  ]);
  await third.end('SIGTERM');
});

test('every event that was acknowledged before the moment of a backup is in it, while publishers and retention work', async () => {
  const data = temporaryFolder('busy');
  const folder = temporaryFolder('backups');
  const rules = [
    { pattern: 'latest.>', retain: 'latest' },
    { pattern: 'short.>', historyCountMax: 20 },
  ];
  const config = { rules, access: 'open', storage: { retentionIntervalMs: 10 } };
  const hub = await startHubProcess({ data, config });
  const publisher = new Publisher(hub);
  await until('there is a history', () => publisher.acknowledged.length > 15_000);
  const moments: string[] = [];
  for (const name of ['one', 'two']) {
    const { code, out, err } = await polycast(['backup', join(folder, name), '--data', data, '--json']);
    expect([code, err]).toEqual([0, '']);
    moments.push((JSON.parse(out) as { moment: string }).moment);
    await publisher.publishes(2000);
  }
  // A process that is killed leaves no backup under the name, and the next one succeeds.
  const file = join(folder, 'killed');
  for (let isInTime = false; !isInTime;) {
    const killed = startPolycast(['backup', file, '--data', data]);
    const hasEnded = (): boolean => killed.exitCode !== null || killed.signalCode !== null;
    await until('it has begun', () => hasEnded() || readdirSync(folder).some((name) => name.startsWith('killed.')));
    killed.kill('SIGKILL');
    await until('it is gone', hasEnded);
    isInTime = !existsSync(file);
    if (isInTime) continue;
    // On a busy machine the signal can come when the backup is there. Then it is whole.
    expect((await polycast(['restore', file, '--data', join(temporaryFolder('restored'), 'data')])).code).toBe(0);
    rmSync(file);
  }
  expect((await polycast(['backup', file, '--data', data])).code).toBe(0);
  expect(readdirSync(folder).toSorted()).toEqual(['killed', 'one', 'two']);
  await publisher.publishes(2000);
  await publisher.stop();
  await hub.end('SIGKILL');

  for (const [index, name] of ['one', 'two'].entries()) {
    const restored = join(temporaryFolder('restored'), 'data');
    expect((await polycast(['restore', join(folder, name), '--data', restored])).code).toBe(0);
    const momentMs = Date.parse(moments[index] as string);
    const expected = publisher.acknowledged.filter(
      ({ atMs, channel }) => atMs < momentMs && channel.startsWith('all.'),
    );
    const found = new Set(eventsOf(restored, 'all.%').map(({ body }) => /"data":(\d+)/.exec(body)?.[1]));
    expect(expected.length).toBeGreaterThan(5000);
    expect(expected.filter(({ data: number }) => !found.has(String(number)))).toEqual([]);
    // Values that were replaced, and events that retention removed, have not come back.
    for (const { channel, events, indexed, counted } of channelsOf(restored)) {
      expect([channel, indexed]).toEqual([channel, counted]);
      if (channel.startsWith('latest.')) expect([channel, events]).toEqual([channel, 1]);
    }
    const again = await startHubProcess({ data: restored, config });
    expect((await call(`${again.url}/healthz`)).json()).toEqual({ status: 'ok' });
    await again.end('SIGTERM');
  }
});

describe('a restore that cannot succeed, or is interrupted', () => {
  test('a damaged, shortened or foreign file is refused, and nothing is changed', async () => {
    const data = temporaryFolder('intact');
    const folder = temporaryFolder('backups');
    await someHub(data, 'old');
    const file = join(folder, 'backup');
    expect((await polycast(['backup', file, '--data', data])).code).toBe(0);
    const bytes = readFileSync(file);
    const before = fingerprint(data);
    const damaged = Buffer.from(bytes);
    const middle = Math.floor(bytes.length / 2);
    damaged.writeUInt8(damaged.readUInt8(middle) ^ 1, middle);
    const cases: Readonly<Record<string, [Uint8Array, RegExp]>> = {
      damaged: [damaged, /differs from its checksum/],
      shortened: [bytes.subarray(0, -100), /may be only a part/],
      appended: [Buffer.concat([bytes, Buffer.from('x')]), /may be only a part/],
      foreign: [Buffer.from('hello'), /may be only a part/],
      newer: [
        Buffer.from(bytes.toString('latin1').replace('"polycastBackup":1,', '"polycastBackup":9,'), 'latin1'),
        /newer version/,
      ],
    };
    for (const [name, [content, message]] of Object.entries(cases)) {
      writeFileSync(join(folder, name), content);
      const { code, err } = await polycast(['restore', join(folder, name), '--data', data, '--overwrite']);
      expect([name, code, err]).toEqual([name, 1, expect.stringMatching(message)]);
      expect(fingerprint(data)).toEqual(before);
    }
    const nowhere = await polycast(['backup', join(folder, 'none'), '--data', join(folder, 'no-such-folder')]);
    expect([nowhere.code, nowhere.err]).toEqual([1, expect.stringContaining('no data of a hub')]);
  });

  test('a restore that is killed at any time leaves the old data or the new data', async () => {
    const [data, other] = [temporaryFolder('target'), temporaryFolder('source')];
    await someHub(data, 'old');
    await someHub(other, 'new');
    const file = join(temporaryFolder('backups'), 'backup');
    expect((await polycast(['backup', file, '--data', other])).code).toBe(0);
    let seen = '"old"';
    const staging = join(data, 'restore');
    const moments = [
      staging,
      join(staging, 'log.db'),
      join(staging, 'subscriptions.sqlite'),
      join(staging, 'ready.json'),
    ];
    for (const moment of moments) {
      const restore = startPolycast(['restore', file, '--data', data, '--overwrite']);
      const ended = new Promise((resolve) => void restore.once('exit', resolve));
      while (!existsSync(moment) && restore.exitCode === null)
        await new Promise((resolve) => void setImmediate(resolve));
      restore.kill('SIGKILL');
      await ended;
      // The list is the boundary: before it nothing has happened, after it the next process
      // completes the restore. On a busy machine a kill at any moment may come after it.
      const left = existsSync(staging) ? readdirSync(staging) : [];
      const isDecided = restore.exitCode === 0 || left.includes('ready.json');
      const expected = isDecided ? ['"new"'] : left.length > 0 ? [seen] : [seen, '"new"'];
      const hub = await startHubProcess({ data });
      seen = (await call(`${hub.url}/v1/channels/a`)).text;
      await hub.end('SIGTERM');
      expect(expected, `killed at ${moment}, with ${left.join()}`).toContain(seen);
    }
    expect(seen).toBe('"new"');
  });
});

/**
 * The pause between two batches: a load of up to 10,000 events a second,
 * of which no test waits for the end.
 */
const BATCH_INTERVAL_MS = 20;

/**
 * Publishes one batch after the other, and records each event with the time of its acknowledgement.
 */
class Publisher {
  readonly acknowledged: { readonly channel: string; readonly data: number; readonly atMs: number }[] = [];
  #isStopped = false;
  readonly #running: Promise<void>;

  constructor({ url }: HubProcess) {
    this.#running = this.#run(url);
  }

  async publishes(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count;
    await until(`${count} more are acknowledged`, () => this.acknowledged.length >= wanted);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(url: string): Promise<void> {
    for (let next = 0; !this.#isStopped;) {
      const batch = Array.from({ length: 200 }, () => {
        const kind = ['all', 'latest', 'short'][next % 3] as string;
        return { channel: `${kind}.${next % 50}`, data: next++ };
      });
      const reply = await call(`${url}/v1/events`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(batch),
      });
      if (reply.status !== 200) throw new Error(`a publish was refused: ${reply.text}`);
      const atMs = Date.now();
      for (const { channel, data } of batch) this.acknowledged.push({ channel, data, atMs });
      await pause(BATCH_INTERVAL_MS);
    }
  }
}

async function someHub(data: string, value: string): Promise<void> {
  const hub = await startHubProcess({ data });
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify({ channel: 'a', data: value });
  expect((await call(`${hub.url}/v1/events`, { method: 'POST', headers, body })).status).toBe(201);
  await hub.end('SIGTERM');
}

function fingerprint(data: string): readonly unknown[] {
  return readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'owner.json')
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted()
    .map((file) => [file, readFileSync(file).toString('base64')]);
}

function eventsOf(data: string, like: string): readonly { readonly body: string }[] {
  return query(
    data,
    "SELECT CAST(body AS TEXT) AS body FROM event JOIN channel ON channel.id = event.channel WHERE name LIKE '" +
      like +
      "'",
  );
}

interface ChannelRow {
  readonly channel: string;
  readonly events: number;
  readonly indexed: number;
  readonly counted: number;
}

function channelsOf(data: string): readonly ChannelRow[] {
  return query(
    data,
    `SELECT name AS channel, count AS counted,
       (SELECT count(*) FROM channel_event WHERE channel = id) AS indexed,
       (SELECT count(*) FROM event WHERE event.channel = id) AS events FROM channel`,
  );
}

function query<Row>(data: string, sql: string): readonly Row[] {
  using database = new DatabaseSync(join(data, 'log.db'), { readOnly: true });
  return database.prepare(sql).all() as unknown as readonly Row[];
}

function rowsOf(file: string, table: string): readonly unknown[] {
  using database = new DatabaseSync(file, { readOnly: true });
  return database.prepare(`SELECT * FROM ${table}`).all();
}

type Ask = (method: string, path: string, body?: object) => Promise<Reply>;

function asking(hub: string, key: string): Ask {
  return (method, path, body) =>
    call(hub + path, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
}

async function membersOf(ask: Ask): Promise<unknown[]> {
  return (await ask('GET', '/v1/channels/room.1/presence')).json<{ members: unknown[] }>().members;
}

function idOf(reply: Reply): string {
  return reply.json<{ id: string }>().id;
}
