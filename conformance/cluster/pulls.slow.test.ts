import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { work } from '../../packages/client/src/work.ts';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { NATS_SERVER, startBrokers, type Brokers } from '../kit/brokers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

/**
 * Pulls over WebSockets of whole hubs, each a process, on a real broker.
 * One hub works on subscriptions.
 */
const CONFIG = { rules: [{ pattern: 'jobs.>', publish: ['server'] }] };
const CHANNELS = Array.from({ length: 6 }, (_, index) => `jobs.${index}`);
const SCOPES = { subscriptions: ['jobs.>'], subscribe: ['jobs.>'] };

async function startTestBrokers(): Promise<Brokers> {
  const brokers = await startBrokers({ count: 1 });
  onTestFinished(() => brokers.end());
  return brokers;
}

async function start(brokers: Brokers, count: number): Promise<UsersHub[]> {
  const hubs: UsersHub[] = [];
  for (let index = 0; index < count; index++) hubs.push(await startHub(brokers, hubs[0]?.key));
  return hubs;
}

async function startHub(brokers: Brokers, key?: string): Promise<UsersHub> {
  const hub = await startUsersHub({ ...CONFIG, cluster: brokers.settings }, { data: temporaryFolder('hub') }, key);
  onTestFinished(() => hub.end());
  return hub;
}

/** The hub that works on subscriptions, by its own metrics. */
async function ownerOf(hubs: readonly UsersHub[]): Promise<UsersHub> {
  let owner: UsersHub | undefined;
  await until('one hub works on subscriptions', async () => {
    const pages = await Promise.all(hubs.map(({ url }) => call(`${url}/metrics`).catch(() => undefined)));
    const owners = hubs.filter((_, index) => /^polycast_cluster_subscription_owner 1$/m.test(pages[index]?.text ?? ''));
    owner = owners[0];
    return owners.length === 1;
  });
  return owner as UsersHub;
}

/** Two hubs: the one that works on subscriptions, and the other one. */
async function startPair(): Promise<{ readonly owner: UsersHub; readonly other: UsersHub }> {
  const hubs = await start(await startTestBrokers(), 2);
  const owner = await ownerOf(hubs);
  return { owner, other: hubs.find((hub) => hub !== owner) as UsersHub };
}

async function createQueue(hub: UsersHub, delivery: object = {}, channel = 'jobs.>'): Promise<string> {
  const made = await hub.request('POST', '/v1/subscriptions', {
    channels: [channel],
    ordering: 'none',
    delivery: { kind: 'pull', leaseSeconds: 60, ...delivery },
  });
  expect(made.status, made.text).toBe(201);
  return made.json<{ id: string }>().id;
}

async function publish(hub: UsersHub, data: unknown, channel = 'jobs.0'): Promise<string> {
  const reply = await hub.request('POST', '/v1/events', { channel, data });
  expect(reply.status, reply.text).toBe(201);
  return reply.json<{ id: string }>().id;
}

interface Message {
  readonly op: string;
  readonly ref?: number;
  readonly code?: string;
  readonly lease?: string;
  readonly delivery?: number;
  readonly event?: { readonly id: string; readonly data: unknown };
}

/** A worker on a WebSocket, with the key or a token. */
class Puller {
  readonly messages: Message[] = [];
  readonly closed: Promise<unknown>;
  readonly #socket: WebSocket;
  #refs = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = once(socket, 'close');
    socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as Message));
  }

  static async open({ url, key }: UsersHub, token = key): Promise<Puller> {
    const headers = { Authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/events`, { headers });
    onTestFinished(() => socket.terminate());
    const puller = new Puller(socket);
    await once(socket, 'open');
    return puller;
  }

  get deliveries(): readonly Required<Message>[] {
    return this.messages.filter(({ op }) => op === 'delivery') as Required<Message>[];
  }

  get endedPulls(): readonly Message[] {
    return this.messages.filter(({ op }) => op === 'pulled');
  }

  async ask(operation: object): Promise<Message> {
    const ref = ++this.#refs;
    this.#socket.send(JSON.stringify({ ...operation, ref }));
    let answer: Message | undefined;
    await until('the hub answers', () => (answer = this.messages.find((each) => each.ref === ref)) !== undefined);
    return answer as Message;
  }

  async delivery(count: number): Promise<Required<Message>> {
    const arrived = until(`delivery ${count} arrives`, () => this.deliveries.length >= count);
    await arrived.catch((error: unknown) => {
      throw new Error(`The session got ${JSON.stringify(this.messages)}.`, { cause: error });
    });
    return this.deliveries[count - 1] as Required<Message>;
  }
}

describe.skipIf(NATS_SERVER === undefined)('pulls over WebSockets in a cluster', () => {
  test('pulls, credit, acknowledgements, extensions and releases are the same at each hub', async () => {
    const { owner, other } = await startPair();
    for (const [at, elsewhere] of [
      [other, owner],
      [owner, other],
    ] as const) {
      const subscription = await createQueue(at);
      const worker = await Puller.open(at);
      expect(await worker.ask({ op: 'pull', subscription: 'sub_none', credit: 1 })).toMatchObject({
        ok: false,
        error: { code: 'not_found' },
      });
      expect(await worker.ask({ op: 'pull', subscription, credit: 2 })).toMatchObject({ ok: true, credit: 2 });
      for (const data of [1, 2, 3]) await publish(elsewhere, data);
      const first = await worker.delivery(1);
      const second = await worker.delivery(2);
      expect([first.event.data, second.event.data]).toEqual([1, 2]);
      const acknowledged = await worker.ask({ op: 'ack', subscription, leases: [first.lease, 'unknown'], credit: 1 });
      expect(acknowledged).toMatchObject({ ok: true, count: 1, notHeld: ['unknown'], credit: 1 });
      const third = await worker.delivery(3);
      expect(third.event.data).toBe(3);
      const extended = await worker.ask({ op: 'extend', subscription, leases: [second.lease], leaseSeconds: 90 });
      expect(extended).toMatchObject({ ok: true, count: 1, notHeld: [] });
      expect(await worker.ask({ op: 'nack', subscription, leases: [second.lease], credit: 1 })).toMatchObject({
        ok: true,
        count: 1,
      });
      const again = await worker.delivery(4);
      expect([again.event.data, again.delivery]).toEqual([2, 2]);
      // A lease belongs to any client that knows its name, at any hub.
      const byRequest = await elsewhere.request('POST', `/v1/subscriptions/${subscription}/ack`, {
        leases: [again.lease, second.lease],
      });
      expect(byRequest.json()).toEqual({ count: 1, notHeld: [second.lease] });
      expect(await worker.ask({ op: 'ack', subscription, through: third.event.id })).toMatchObject({ count: 1 });
      expect((await elsewhere.request('POST', `/v1/subscriptions/${subscription}/pause`)).status).toBe(200);
      await until('the pull ends', () => worker.endedPulls.length === 1);
      expect(worker.endedPulls).toEqual([{ op: 'pulled', subscription, code: 'subscription_not_active' }]);
    }
  });

  test('workers at all hubs share the events, each for who may have them', async () => {
    const { owner, other } = await startPair();
    const subscription = await createQueue(other);
    const refused = await Puller.open(other, other.token('eve'));
    expect(await refused.ask({ op: 'pull', subscription, credit: 1 })).toMatchObject({ error: { code: 'forbidden' } });

    const workers = [await Puller.open(owner), await Puller.open(other), await Puller.open(other)];
    for (const worker of workers) await worker.ask({ op: 'pull', subscription, credit: 4 });
    const published: string[] = [];
    for (let index = 0; index < 12; index++) published.push(await publish(other, index));
    await until('all arrive', () => workers.every(({ deliveries }) => deliveries.length === 4));
    const received = workers.flatMap(({ deliveries }) => deliveries.map(({ event }) => event.id));
    expect(received.toSorted()).toEqual(published.toSorted());
    for (const worker of workers) await worker.ask({ op: 'pull', subscription, credit: 0 });

    // A key is known to the hub that works as soon as it exists, and so is each of its secrets.
    const made = await owner.request('POST', '/v1/keys', { name: 'worker', scopes: SCOPES });
    expect(made.status, made.text).toBe(201);
    const { id, key } = made.json<{ id: string; key: string }>();
    const keyed = await Puller.open(other, key);
    expect(await keyed.ask({ op: 'pull', subscription, credit: 3 })).toMatchObject({ ok: true, credit: 3 });
    const first = await publish(owner, 'first');
    expect((await keyed.delivery(1)).event.id).toBe(first);
    const rotated = await other.request('POST', `/v1/keys/${id}/rotate`, { overlapSeconds: 60 });
    expect(await keyed.ask({ op: 'auth', token: rotated.json<{ key: string }>().key })).toMatchObject({ ok: true });
    const second = await publish(owner, 'second');
    expect((await keyed.delivery(2)).event.id).toBe(second);
    expect((await owner.request('DELETE', `/v1/keys/${id}`)).status).toBe(204);
    expect((await keyed.closed) as unknown[]).toContain(4401);
    // The session that ended had credit, and gets nothing more.
    const third = await publish(owner, 'third');
    const next = await Puller.open(other);
    expect(await next.ask({ op: 'pull', subscription, credit: 1 })).toMatchObject({ ok: true });
    expect((await next.delivery(1)).event.id).toBe(third);
  });

  test('a pull goes on with each new secret of its key, while the hub that works is behind the others', async () => {
    const { other } = await startPair();
    const subscription = await createQueue(other);
    const made = await other.request('POST', '/v1/keys', { name: 'worker', scopes: SCOPES });
    const { id, key } = made.json<{ id: string; key: string }>();
    const worker = await Puller.open(other, key);
    expect(await worker.ask({ op: 'pull', subscription, credit: 100 })).toMatchObject({ ok: true });
    let isPublishing = true;
    onTestFinished(() => void (isPublishing = false));
    // The hub that works is behind by these events, and by the secrets after them.
    const data = 'x'.repeat(100_000);
    const publishers = Array.from({ length: 16 }, async () => {
      while (isPublishing) await publish(other, data, 'other');
    });
    const published: string[] = [];
    for (let round = 0; round < 40; round++) {
      const rotated = await other.request('POST', `/v1/keys/${id}/rotate`, { overlapSeconds: 60 });
      expect(rotated.status, rotated.text).toBe(200);
      const auth = { op: 'auth', token: rotated.json<{ key: string }>().key };
      expect(await worker.ask(auth)).toMatchObject({ ok: true });
      published.push(await publish(other, round));
    }
    isPublishing = false;
    await Promise.all(publishers);
    expect(worker.endedPulls).toEqual([]);
    await worker.delivery(published.length);
    expect(worker.deliveries.map(({ event }) => event.id)).toEqual(published);
  });

  test('workers continue when the hub that works is killed or drained, and a lost lease is delivered again', async () => {
    const brokers = await startTestBrokers();
    const hubs = await start(brokers, 3);
    const handled: { readonly id: string; readonly channel: string }[] = [];
    const errors: unknown[] = [];
    const startWorker = (hub: UsersHub, subscription: string): void => {
      const { key } = hub;
      const onError = (error: unknown): void => void errors.push(error);
      const options = { key, transport: 'websocket', leaseSeconds: 10, onError } as const;
      const running = work(hub.url, subscription, ({ id, channel }) => void handled.push({ id, channel }), options);
      onTestFinished(() => running.stop(0).catch(() => undefined));
    };
    const shared = await createQueue(hubs[0] as UsersHub, { leaseSeconds: 10 });
    for (const hub of hubs) startWorker(hub, shared);

    const publishAll = async (by: readonly UsersHub[]): Promise<readonly string[]> => {
      const ids: string[] = [];
      for (let index = 0; index < 30; index++)
        ids.push(await publish(by[index % by.length] as UsersHub, index, CHANNELS[index % CHANNELS.length]));
      return ids;
    };
    /** While no hub goes, each event is handled once. */
    const handleAllOnce = async (): Promise<void> => {
      const before = handled.length;
      const ids = await publishAll(hubs);
      await until('all are handled', () => ids.every((id) => handled.some((each) => each.id === id)));
      const now = handled.slice(before).filter(({ id }) => ids.includes(id));
      expect(now.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    };
    await handleAllOnce();

    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const owner = await ownerOf(hubs);
      const others = hubs.filter((hub) => hub !== owner);
      const at = others[0] as UsersHub;
      const own = await createQueue(at, { leaseSeconds: 3 }, 'jobs.held');
      const worker = await Puller.open(at);
      await worker.ask({ op: 'pull', subscription: own, credit: 1 });
      await publish(at, signal, 'jobs.held');
      const held = await worker.delivery(1);

      const ended = owner.process.end(signal);
      hubs.splice(hubs.indexOf(owner), 1);
      const ids = await publishAll(others);
      // The session pulled from the hub that is gone: its client connects again, and pulls.
      expect((await worker.closed) as unknown[]).toContain(1001);
      expect(worker.messages.map(({ op }) => op)).toContain('draining');
      const next = await Puller.open(at);
      // Its lease outlives a machine that stands still.
      const pull = { op: 'pull', subscription: own, credit: 1, leaseSeconds: 60 };
      expect(await next.ask(pull)).toMatchObject({ ok: true, credit: 1 });
      const again = await next.delivery(1);
      expect(again.event).toEqual(held.event);
      expect(again.lease).not.toBe(held.lease);
      expect(await next.ask({ op: 'ack', subscription: own, leases: [held.lease, again.lease] })).toMatchObject({
        count: 1,
        notHeld: [held.lease],
      });
      expect(await ownerOf(hubs)).not.toBe(owner);
      await until('all are handled', () => ids.every((id) => handled.some((each) => each.id === id)));
      await ended;
      expect((await at.request('DELETE', `/v1/subscriptions/${own}`)).status).toBeLessThan(300);
      hubs.push(await startHub(brokers, at.key));
      startWorker(hubs.at(-1) as UsersHub, shared);
      await handleAllOnce();
    }
  });
});
