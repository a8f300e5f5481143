import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { NATS_SERVER, startBrokers } from '../kit/brokers.ts';
import { Endpoint } from '../kit/clients/endpoint.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { answered } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

/** Erasures in whole hubs, each a process, on a real broker. */
const CONFIG = { rules: [{ pattern: 'chat.>', subscribe: ['users'], publish: ['users'] }] };
/** In the data of all events that are erased. */
const SECRET = 'a-secret-that-is-erased';

interface TestHub extends UsersHub {
  readonly data: string;
}

interface Erasure {
  readonly id: string;
  readonly state: string;
  readonly events: number;
}

interface Poll {
  readonly events: readonly { readonly data: unknown }[];
  readonly gaps: readonly { readonly reason: string }[];
  readonly cursor: string;
}

async function startHub(settings: object, key?: string, data = temporaryFolder('hub')): Promise<TestHub> {
  const hub = await startUsersHub({ ...CONFIG, ...settings }, { data }, key);
  onTestFinished(() => hub.end());
  return { ...hub, data };
}

async function publish(hub: TestHub, channel: string, data: unknown, token?: string): Promise<string> {
  const reply = await hub.request('POST', '/v1/events', { channel, data }, token === undefined ? {} : { token });
  expect(reply.status, reply.text).toBe(201);
  return reply.json<{ id: string }>().id;
}

async function request(hub: TestHub, path: string): Promise<Erasure> {
  const reply = await hub.request('DELETE', path);
  expect(reply.status, reply.text).toBe(202);
  return reply.json<Erasure>();
}

async function finished(hub: TestHub, { id }: Erasure): Promise<Erasure> {
  let erasure: Erasure | undefined;
  await until('the erasure is finished', async () => {
    erasure = (await hub.request('GET', `/v1/erasures/${id}`)).json<Erasure>();
    return erasure.state === 'finished';
  });
  return erasure as Erasure;
}

async function poll(hub: TestHub, query: string): Promise<readonly [readonly unknown[], readonly string[]]> {
  const { events, gaps } = (await answered(() => hub.request('GET', `/v1/events?${query}`))).json<Poll>();
  return [events.map(({ data }) => data), gaps.map(({ reason }) => reason)];
}

async function auditOf(hub: TestHub): Promise<readonly string[]> {
  const { entries } = (await answered(() => hub.request('GET', '/v1/audit'))).json<{
    entries: { action: string; subject: string }[];
  }>();
  return entries
    .filter(({ action }) => action.startsWith('erasure.'))
    .map(({ action, subject }) => `${action} ${subject}`)
    .toSorted();
}

/** Whether the hub works on subscriptions and erases, by its own metrics. */
async function isOwner(hub: TestHub): Promise<boolean> {
  return /^polycast_cluster_subscription_owner 1$/m.test((await hub.request('GET', '/metrics')).text);
}

/** The files of a hub that have the secret. */
function filesWithSecret({ data }: TestHub): readonly string[] {
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((file) => readFileSync(file).includes(SECRET));
}

describe.skipIf(NATS_SERVER === undefined)('erasures in a cluster', () => {
  test('events, channels and users go at every hub, also while the hub that erases is killed, and at hubs that come later', async () => {
    const brokers = await startBrokers({ count: 1 });
    onTestFinished(() => brokers.end());
    const endpoint = await Endpoint.open(() => 500);
    onTestFinished(() => endpoint.close());
    const { host, origin } = new URL(endpoint.url);
    const settings = {
      cluster: brokers.settings,
      outgoing: { allow: [host] },
      subscriptions: { trustedEndpoints: [origin] },
    };
    const first = await startHub(settings);
    const hubs = [first, await startHub(settings, first.key), await startHub(settings, first.key)];
    await until('a hub works on subscriptions', async () => (await Promise.all(hubs.map(isOwner))).includes(true));
    const owner = hubs[(await Promise.all(hubs.map(isOwner))).indexOf(true)] as TestHub;
    const [other, stopped] = hubs.filter((hub) => hub !== owner) as [TestHub, TestHub];

    const delivery = { kind: 'webhook', url: endpoint.url, retryDelaysSeconds: [] };
    const created = await other.request('POST', '/v1/subscriptions', { channels: ['chat.1'], delivery });
    expect(created.status, created.text).toBe(201);
    const subscription = `/v1/subscriptions/${created.json<{ id: string }>().id}`;

    const start = await publish(owner, 'chat.1', 'first');
    const secret = await publish(other, 'chat.1', SECRET);
    const third = await publish(owner, 'chat.1', 'third');
    const letters = async (): Promise<string> =>
      (await answered(() => other.request('GET', `${subscription}/dead-letters`))).text;
    await until('the event is a dead letter', async () => (await letters()).includes(secret));
    for (const hub of hubs) {
      // It waits until the hub has the newest event.
      expect(await poll(hub, `channel=chat.1&after=${third}`)).toEqual([[], []]);
      expect(await poll(hub, `channel=chat.1&after=${start}`)).toEqual([[SECRET, 'third'], []]);
    }

    const ofEvent = await request(other, `/v1/events/${secret}`);
    expect(await finished(stopped, ofEvent)).toMatchObject({ events: 1 });
    expect(await letters()).not.toContain(secret);
    expect((await other.request('GET', `${subscription}/attempts`)).text).not.toContain(secret);
    for (const hub of hubs) expect(await poll(hub, `channel=chat.1&after=${start}`)).toEqual([['third'], ['erased']]);
    for (const hub of hubs) expect([hub.data, filesWithSecret(hub)]).toEqual([hub.data, []]);

    // A hub has the events of a user and her session, and is killed.
    const ann = stopped.follow('sse', { channels: ['chat.2'], after: 'now', user: 'ann' });
    const sessions = async (hub: TestHub): Promise<string> =>
      (await hub.request('GET', '/v1/sessions?state=ended&user=ann')).text;
    await until('ann is connected', async () => (await other.request('GET', '/v1/users/ann')).text.includes('sse'));
    await ann.stop();
    await until('her session is recorded', async () => (await sessions(stopped)).includes('"sse"'));
    const before = await publish(owner, 'chat.2', 'kept');
    await publish(stopped, 'chat.2', SECRET, stopped.token('ann'));
    await publish(stopped, 'chat.3', SECRET);
    await stopped.process.end('SIGKILL');

    // The hub that erases is killed as soon as it has answered. Another one finishes.
    const ofUser = await request(owner, '/v1/users/ann/data');
    const ofChannel = await request(owner, '/v1/channels/chat.3');
    await owner.process.end('SIGKILL');
    await until('another hub erases', () => isOwner(other));
    await until('both are finished', async () => (await auditOf(other)).length === 6);
    expect(ofUser.id).not.toBe(ofChannel.id);

    const again = [
      other,
      await startHub(settings, first.key, stopped.data),
      await startHub(settings, first.key, owner.data),
      await startHub(settings, first.key),
    ];
    for (const hub of again) {
      expect(await poll(hub, `channel=chat.2&after=${before}`)).toEqual([[], ['erased']]);
      expect(await poll(hub, `channel=chat.3&after=${before}`)).toEqual([[], ['erased']]);
      expect(await poll(hub, 'channel=chat.%3E&after=earliest')).toEqual([['first', 'third', 'kept'], []]);
      expect((await hub.request('GET', '/v1/channels')).text).not.toContain('chat.3');
      await until('its files are overwritten', () => filesWithSecret(hub).length === 0);
      expect(await sessions(hub)).not.toContain('"sse"');
    }
    expect(await auditOf(other)).toEqual(
      ['ann', 'chat.3', secret]
        .flatMap((subject) => [`erasure.finished ${subject}`, `erasure.requested ${subject}`])
        .toSorted(),
    );
    await until('no hub differs', async () =>
      (await Promise.all(again.map((hub) => hub.request('GET', '/healthz')))).every(
        ({ text }) => !text.includes('differs'),
      ),
    );
  });
});
