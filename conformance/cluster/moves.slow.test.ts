import { linkSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
/** A cluster with a key and one event. Its only hub has stopped. */
async function stoppedCluster(): Promise<{
  readonly brokers: Brokers;
  readonly folder: string;
  readonly key: string;
  readonly id: string;
}> {
  const brokers = await startBrokers();
  onTestFinished(() => brokers.end());
  const folder = temporaryFolder('hub');
  const { key } = await createKey('kept', folder);
  const hub = await startHub(folder, { cluster: brokers.settings });
  const id = await publish(hub, key, { channel: 'a', data: 1 });
  await hub.end('SIGTERM');
  return { brokers, folder, key, id };
}

import { describe, expect, onTestFinished, test } from 'vitest';
import { exportFolder } from '../../packages/server/src/storage/cluster-moves.ts';
import { inspectCluster } from '../../packages/server/src/storage/cluster-tools.ts';
import { testStorageOptions } from '../../packages/server/src/testing/test-storage.ts';
import { NATS_SERVER, startBrokers, type Broker, type Brokers } from '../kit/brokers.ts';
import { polycast } from '../kit/command.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { answered, call, type Reply } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/**
 * `polycast cluster import` and `export`: a log moves from one hub to a cluster and back, with its
 * epoch, keys and revocations.
 */
interface Page {
  readonly events: readonly { readonly id: string; readonly data: unknown }[];
  readonly cursor: string;
  readonly gaps: readonly object[];
}

/** A hub of a cluster whose start took seconds refuses credentials for a moment. */
async function startHub(data: string, config: Readonly<Record<string, unknown>>): Promise<HubProcess> {
  const hub = await startHubProcess({ data, config: { access: 'rules', ...config } });
  onTestFinished(async () => void (await hub.end('SIGKILL')));
  await until('the hub is ready', async () => (await call(`${hub.url}/readyz`).catch(() => undefined))?.status === 200);
  return hub;
}

/** The configuration file of a hub of a cluster. */
function fileOf({ settings }: Brokers, data: string, more: object = {}): string {
  const file = join(temporaryFolder('config'), 'polycast.yaml');
  writeFileSync(file, JSON.stringify({ data, cluster: { ...settings, ...more } }));
  return file;
}

async function publish({ url }: HubProcess, key: string, body: object, idempotencyKey?: string): Promise<string> {
  const headers = {
    Authorization: `Bearer ${key}`,
    'Content-Type': 'application/json',
    ...(idempotencyKey !== undefined && { 'Idempotency-Key': idempotencyKey }),
  };
  const reply = await call(`${url}/v1/events`, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(reply.status, reply.text).toBe(201);
  return reply.json<{ id: string }>().id;
}

async function read({ url }: HubProcess, key: string, after: string): Promise<Page> {
  const headers = { Authorization: `Bearer ${key}` };
  const reply = await answered(() => call(`${url}/v1/events?channel=%3E&after=${after}&limit=1000`, { headers }));
  expect(reply.status, reply.text).toBe(200);
  return reply.json<Page>();
}

async function statusWith({ url }: HubProcess, key: string): Promise<number> {
  const headers = { Authorization: `Bearer ${key}` };
  return (await answered(() => call(`${url}/v1/events?channel=a&after=now`, { headers }))).status;
}

async function createKey(name: string, data: string): Promise<{ readonly id: string; readonly key: string }> {
  const scopes = ['--publish', '>', '--subscribe', '>', '--subscriptions', '>', '--admin'];
  const made = await polycast(['keys', 'create', name, ...scopes, '--data', data, '--json']);
  expect(made.code, made.err).toBe(0);
  return JSON.parse(made.out) as { id: string; key: string };
}

async function request({ url }: HubProcess, key: string, method: string, path: string): Promise<number> {
  return (await call(url + path, { method, headers: { Authorization: `Bearer ${key}` } })).status;
}

async function post({ url }: HubProcess, key: string, path: string, body: object): Promise<Reply> {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  const reply = await call(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  expect([200, 201], reply.text).toContain(reply.status);
  return reply;
}

/** Pulls one event of a subscription and acknowledges it. Returns its data. */
async function work(hub: HubProcess, key: string, subscription: string): Promise<unknown> {
  const path = `/v1/subscriptions/${subscription}`;
  const reply = await post(hub, key, `${path}/pull`, { count: 1, waitSeconds: 20 });
  const { events } = reply.json<{ events: readonly { lease: string; event: { data: unknown } }[] }>();
  await post(hub, key, `${path}/ack`, { leases: events.map(({ lease }) => lease) });
  return events[0]?.event.data;
}

async function createPortalLink(hub: HubProcess, key: string): Promise<string> {
  const reply = await post(hub, key, '/v1/portal-links', { owner: 'acme', channels: ['a'] });
  return new URL(reply.json<{ url: string }>().url).hash.slice('#token='.length);
}

const idsOf = ({ events }: Page): readonly string[] => events.map(({ id }) => id);

describe.skipIf(NATS_SERVER === undefined)('moves between one hub and a cluster', () => {
  test('one to many and back: all events, cursors and keys, and what was revoked stays revoked', async () => {
    const folder = temporaryFolder('one');
    const [kept, early, late] = [
      await createKey('kept', folder),
      await createKey('early', folder),
      await createKey('late', folder),
    ];
    const alone = await startHub(folder, {});
    const definition = { channels: ['a.>'], ordering: 'none', delivery: { kind: 'pull' } };
    const made = await post(alone, kept.key, '/v1/subscriptions', definition);
    const { id: queue } = made.json<{ id: string }>();
    const link = await createPortalLink(alone, kept.key);
    const first = await publish(alone, kept.key, { channel: 'a', data: 0 }, 'order-1');
    for (let count = 1; count < 40; count++) await publish(alone, kept.key, { channel: `a.${count % 3}`, data: count });
    const before = await read(alone, kept.key, 'earliest');
    expect(before.events).toHaveLength(40);
    expect(await work(alone, kept.key, queue)).toBe(1);
    expect(await request(alone, kept.key, 'DELETE', `/v1/keys/${early.id}`)).toBe(204);

    const brokers = await startBrokers();
    onTestFinished(() => brokers.end());
    const running = await polycast(['cluster', 'import', '--config', fileOf(brokers, folder)]);
    expect([running.code, running.err]).toEqual([1, expect.stringContaining('is in use by the process')]);
    await alone.end('SIGTERM');
    const imported = await polycast(['cluster', 'import', '--json', '--config', fileOf(brokers, folder)]);
    expect(imported.code, imported.err).toBe(0);
    expect(JSON.parse(imported.out)).toMatchObject({
      events: 40,
      keys: 2,
      subscriptions: 1,
      epoch: first.slice(0, 10),
    });
    const again = await polycast(['cluster', 'import', '--config', fileOf(brokers, folder)]);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('belongs to a hub of a cluster already')]);

    const folders = [folder, temporaryFolder('two'), temporaryFolder('three')] as const;
    const hubs: HubProcess[] = [];
    for (const data of folders) hubs.push(await startHub(data, { cluster: brokers.settings }));
    for (const hub of hubs) {
      expect(await read(hub, kept.key, 'earliest')).toEqual(before);
      const { gaps, events } = await read(hub, kept.key, first);
      expect([gaps, events.length]).toEqual([[], 39]);
      expect(await statusWith(hub, early.key)).toBe(401);
      expect(await publish(hub, kept.key, { channel: 'a', data: 0 }, 'order-1')).toBe(first);
    }
    for (const hub of hubs) expect(await request(hub, link, 'GET', '/v1/portal')).toBe(200);
    expect(await work(hubs[1] as HubProcess, kept.key, queue)).toBe(2);
    for (const [index, hub] of hubs.entries()) await publish(hub, kept.key, { channel: 'b', data: 100 + index });
    expect(await request(hubs[1] as HubProcess, kept.key, 'DELETE', `/v1/keys/${late.id}`)).toBe(204);
    const all = await read(hubs[2] as HubProcess, kept.key, 'earliest');
    const newest = await publish(hubs[2] as HubProcess, kept.key, { channel: 'b', data: 'newest' });
    expect(all.events).toHaveLength(43);
    for (const hub of hubs)
      await expect.poll(async () => (await call(`${hub.url}/healthz`)).json()).toEqual({ status: 'ok' });

    const other = await polycast(['cluster', 'import', '--config', fileOf(brokers, await stoppedFolder())]);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('is not empty')]);
    const target = join(temporaryFolder('back'), 'data');
    const empty = fileOf(brokers, temporaryFolder('empty'));
    const refusedExport = await polycast(['cluster', 'export', target, '--config', empty]);
    expect([refusedExport.code, refusedExport.err]).toEqual([
      1,
      expect.stringContaining('Hubs of the cluster polycast run'),
    ]);
    await Promise.all(hubs.map((hub) => hub.end('SIGTERM')));
    const exported = await polycast(['cluster', 'export', target, '--json', '--config', empty]);
    expect(exported.code, exported.err).toBe(0);
    expect(JSON.parse(exported.out)).toMatchObject({
      events: 44,
      keys: 1,
      subscriptions: 1,
      epoch: first.slice(0, 10),
    });

    const back = await startHub(target, {});
    expect(back.log()).not.toContain('new epoch');
    expect(await work(back, kept.key, queue)).toBe(3);
    expect(await request(back, link, 'GET', '/v1/portal')).toBe(200);
    const { events, gaps } = await read(back, kept.key, first);
    expect([gaps, events.length]).toEqual([[], 43]);
    expect(idsOf(await read(back, kept.key, 'earliest'))).toEqual([...idsOf(all), newest]);
    expect([await statusWith(back, early.key), await statusWith(back, late.key)]).toEqual([401, 401]);
    expect(await publish(back, kept.key, { channel: 'a', data: 0 }, 'order-1')).toBe(first);
    expect((await publish(back, kept.key, { channel: 'c', data: 1 })) > newest).toBe(true);
    const audit = (await call(`${back.url}/v1/audit?limit=100`, { headers: { Authorization: `Bearer ${kept.key}` } }))
      .text;
    for (const { id } of [kept, early, late]) expect(audit).toContain(id);

    const revived = await startHub(folder, { cluster: brokers.settings });
    await until('the cluster has another epoch', async () => {
      const { cursor } = await read(revived, kept.key, 'now').catch(() => ({ cursor: first }));
      return cursor.slice(0, 10) > first.slice(0, 10);
    });
  });

  test('an import that was interrupted before its last step is completed by the next one', async () => {
    const brokers = await startBrokers();
    onTestFinished(() => brokers.end());
    const folder = await stoppedFolder();
    const [log, saved, partial] = ['log.db', 'saved.db', 'snapshot.partial'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    // The same file: a copy would get a new epoch.
    linkSync(log, saved);
    const command = ['cluster', 'import', '--json', '--config', fileOf(brokers, folder)];
    const first = await polycast(command);
    expect(first.code, first.err).toBe(0);
    renameSync(log, partial);
    renameSync(saved, log);
    const database = new DatabaseSync(log, { readOnly: true });
    const { generation } = database.prepare('SELECT generation FROM state').get() as { generation: number };
    writeFileSync(join(folder, 'generation.json'), `{"generation":${generation},"settled":true}\n`);
    database.close();
    const again = await polycast(command);
    expect([again.code, again.out]).toEqual([0, first.out]);
    const joined = await polycast(['cluster', 'join', '--config', fileOf(brokers, folder)]);
    expect(joined.out).toContain('has blocks up to 2');
  });

  test('an export whose copy takes long meets no block of its own, and one that was interrupted keeps the epoch', async () => {
    const { brokers, folder, key, id } = await stoppedCluster();

    const base = testStorageOptions(folder);
    const cluster = { ...base.cluster, ...brokers.settings };
    const target = join(temporaryFolder('slow'), 'data');
    const inspect = (): ReturnType<typeof inspectCluster> => inspectCluster(cluster);
    const exporting = exportFolder({
      ...base,
      cluster,
      target,
      withoutBrokers: false,
      inspect,
      async onCopied() {
        // It listens for longer than a hub without blocks waits for its mark.
        expect((await inspect()).hubs).toEqual([]);
        // The last step fails: the folder cannot get its name.
        mkdirSync(join(target, 'in the way'), { recursive: true });
      },
    });
    await expect(exporting).rejects.toThrow('ENOTEMPTY');
    rmSync(target, { recursive: true });

    const exported = await polycast(['cluster', 'export', target, '--json', '--config', fileOf(brokers, folder)]);
    expect(exported.code, exported.err).toBe(0);
    expect(JSON.parse(exported.out)).toMatchObject({ events: 1, keys: 1, epoch: id.slice(0, 10) });
    expect(readdirSync(dirname(target))).toEqual(['data']);
    expect(readdirSync(target)).not.toContain('export.json');
    const back = await startHub(target, {});
    const { events, gaps } = await read(back, key, id);
    expect([gaps, events]).toEqual([[], []]);
  });

  test('an export that was interrupted before its block begins again', async () => {
    const { brokers, folder, id } = await stoppedCluster();
    const target = join(temporaryFolder('again'), 'data');
    mkdirSync(`${target}.partial`);
    writeFileSync(`${target}.partial/export.json`, '{"block":"none","exported":{"sequence":1}}');
    const exported = await polycast(['cluster', 'export', target, '--json', '--config', fileOf(brokers, folder)]);
    expect(exported.code, exported.err).toBe(0);
    expect(JSON.parse(exported.out)).toMatchObject({ events: 1, epoch: id.slice(0, 10) });
  });

  test('an export says that the brokers have lost blocks, also without a terminal', async () => {
    const { brokers, settings, ...rest } = await startBrokers();
    onTestFinished(() => rest.end());
    const [broker] = brokers as [Broker];
    const folder = temporaryFolder('hub');
    const { key } = await createKey('kept', folder);
    const publishOnce = async (data: number): Promise<string> => {
      const hub = await startHub(folder, { cluster: settings });
      const id = await publish(hub, key, { channel: 'a', data });
      await hub.end('SIGTERM');
      return id;
    };
    await publishOnce(1);
    await broker.end();
    broker.save();
    await broker.start();
    const lost = await publishOnce(2);
    await broker.end();
    broker.restore();
    await broker.start();
    const target = join(temporaryFolder('rolled-back'), 'data');
    const config = fileOf({ brokers, settings, ...rest }, folder);
    const exported = await polycast(['cluster', 'export', target, '--json', '--config', config]);
    expect(exported.code, exported.err).toBe(0);
    expect(exported.err).toContain('the brokers have lost blocks');
    const { epoch, events } = JSON.parse(exported.out) as { epoch: string; events: number };
    expect([events, epoch > lost.slice(0, 10)]).toEqual([1, true]);
  });

  test('without brokers, a view becomes a log with a new epoch', async () => {
    const brokers = await startBrokers({ count: 1 });
    const folder = temporaryFolder('hub');
    const { key } = await createKey('kept', folder);
    const hub = await startHub(folder, { cluster: brokers.settings });
    const id = await publish(hub, key, { channel: 'a', data: 1 });
    await hub.end('SIGTERM');
    await brokers.end();
    const target = join(temporaryFolder('lost'), 'data');
    const config = fileOf(brokers, folder);
    const refused = await polycast(['cluster', 'export', target, '--config', config]);
    expect(refused.code, refused.err).toBe(69);
    const exported = await polycast(['cluster', 'export', target, '--without-brokers', '--config', config]);
    expect(exported.code, exported.err).toBe(0);
    const lone = await startHub(target, {});
    const { events, gaps } = await read(lone, key, id);
    expect([gaps, events]).toEqual([[expect.objectContaining({ reason: 'epoch' })], []]);
    expect((await read(lone, key, 'earliest')).events).toHaveLength(1);
  });
});

/** A data folder with one event, whose hub has stopped. */
async function stoppedFolder(): Promise<string> {
  const folder = temporaryFolder('another');
  const { key } = await createKey('own', folder);
  const hub = await startHub(folder, {});
  await publish(hub, key, { channel: 'a', data: 1 });
  await hub.end('SIGTERM');
  return folder;
}
