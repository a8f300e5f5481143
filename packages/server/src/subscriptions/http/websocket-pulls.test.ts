import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { openSubscriptionHub, type SubscriptionHub } from '../../testing/subscription-hub.ts';

interface Message {
  readonly op: string;
  readonly ref?: number;
  readonly ok?: boolean;
  readonly credit?: number;
  readonly count?: number;
  readonly notHeld?: readonly string[];
  readonly leaseEnds?: string;
  readonly lease?: string;
  readonly delivery?: number;
  readonly subscription?: string;
  readonly code?: string;
  readonly event?: { readonly id: string; readonly channel: string; readonly data: unknown };
  readonly error?: { readonly code: string; readonly member?: string };
}

/** A worker on a WebSocket. */
interface Worker {
  readonly socket: WebSocket;
  /** All messages except answers. */
  readonly messages: Message[];
  readonly deliveries: () => readonly Message[];
  ask(operation: object): Promise<Message>;
}

async function connect(hub: SubscriptionHub, token?: string): Promise<Worker> {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  onTestFinished(() => socket.terminate());
  const messages: Message[] = [];
  const asked = new Map<number, (message: Message) => void>();
  let ref = 0;
  await new Promise<void>((ready, failed) => {
    socket.on('error', failed);
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      if (message.op === 'ready') ready();
      else if (message.ref === undefined) messages.push(message);
      else asked.get(message.ref)?.(message);
    });
  });
  return {
    socket,
    messages,
    deliveries: () => messages.filter(({ op }) => op === 'delivery'),
    ask: (operation) =>
      new Promise((resolve) => {
        asked.set(++ref, resolve);
        socket.send(JSON.stringify({ ...operation, ref }));
      }),
  };
}

async function createQueue(hub: SubscriptionHub, options: object = {}): Promise<string> {
  const delivery = { kind: 'pull' };
  const { id } = await hub.create({ channels: ['jobs.>'], ordering: 'none', delivery, ...options });
  return id as string;
}

const until = (condition: () => void): Promise<void> => vi.waitFor(condition, { interval: 5 });

test('events are sent without a request, as far as there is credit, and each costs one', async () => {
  const hub = await openSubscriptionHub();
  const subscription = await createQueue(hub);
  const worker = await connect(hub);
  expect(await worker.ask({ op: 'pull', subscription, credit: 2 })).toMatchObject({ op: 'pull', ok: true, credit: 2 });
  for (let n = 1; n <= 5; n++) await hub.publish(`jobs.${n}`, n);
  await until(() => expect(worker.deliveries()).toHaveLength(2));
  expect(worker.deliveries()[0]).toEqual({
    op: 'delivery',
    subscription,
    lease: expect.stringMatching(/^[A-Za-z0-9_-]{16,64}$/),
    delivery: 1,
    leaseEnds: expect.any(String),
    event: { id: expect.any(String), channel: 'jobs.1', time: expect.any(String), data: 1 },
  });
  expect(await worker.ask({ op: 'credit', subscription, credit: 1 })).toMatchObject({ ok: true, credit: 1 });
  await until(() => expect(worker.deliveries()).toHaveLength(3));
  const [first] = worker.deliveries() as [Message];
  const acknowledged = await worker.ask({ op: 'ack', subscription, leases: [first.lease, 'nobodys'], credit: 2 });
  expect(acknowledged).toMatchObject({ op: 'ack', ok: true, count: 1, notHeld: ['nobodys'], credit: 2 });
  await until(() => expect(worker.deliveries().map(({ event }) => event?.data)).toEqual([1, 2, 3, 4, 5]));
  // An acknowledgement gives no credit by itself.
  const { event } = worker.deliveries()[4] as Message;
  const all = await worker.ask({ op: 'ack', subscription, through: event?.id });
  expect([all.count, all.notHeld, all.credit]).toEqual([4, [], undefined]);
});

test('released events are sent again; leases are extended', async () => {
  const hub = await openSubscriptionHub();
  const subscription = await createQueue(hub);
  const worker = await connect(hub);
  await worker.ask({ op: 'pull', subscription, credit: 1, leaseSeconds: 100 });
  await hub.publish('jobs.a', 'a');
  await until(() => expect(worker.deliveries()).toHaveLength(1));
  const { lease, leaseEnds } = worker.deliveries()[0] as Message;
  expect(Date.parse(leaseEnds as string) - Date.now()).toBeGreaterThan(90_000);
  const extended = await worker.ask({ op: 'extend', subscription, leases: [lease], leaseSeconds: 1000 });
  expect(extended).toMatchObject({ ok: true, count: 1, notHeld: [] });
  expect(Date.parse(extended.leaseEnds as string) - Date.now()).toBeGreaterThan(900_000);
  expect(await worker.ask({ op: 'nack', subscription, leases: [lease], credit: 1 })).toMatchObject({
    count: 1,
    credit: 1,
  });
  await until(() => expect(worker.deliveries()).toHaveLength(2));
  expect(worker.deliveries()[1]).toMatchObject({ delivery: 2, event: { data: 'a' } });
});

test('without credit no event is sent, and deliveries stop when it is used up', async () => {
  const hub = await openSubscriptionHub();
  const subscription = await createQueue(hub);
  const [stopped, other] = [await connect(hub), await connect(hub)];
  await stopped.ask({ op: 'pull', subscription, credit: 1000 });
  expect(await stopped.ask({ op: 'pull', subscription, credit: 0 })).toMatchObject({ ok: true, credit: 0 });
  expect(await stopped.ask({ op: 'credit', subscription, credit: 5 })).toMatchObject({ ok: true, credit: 0 });
  await other.ask({ op: 'pull', subscription, credit: 10 });
  for (let n = 1; n <= 3; n++) await hub.publish('jobs.a', n);
  await until(() => expect(other.deliveries()).toHaveLength(3));
  expect(stopped.deliveries()).toEqual([]);
});

test('leases outlive their connection: they are acknowledged on the next one', async () => {
  const hub = await openSubscriptionHub();
  const subscription = await createQueue(hub);
  const first = await connect(hub);
  await first.ask({ op: 'pull', subscription, credit: 10 });
  await hub.publish('jobs.a', 1);
  await until(() => expect(first.deliveries()).toHaveLength(1));
  first.socket.terminate();
  const second = await connect(hub);
  await second.ask({ op: 'pull', subscription, credit: 10 });
  const { lease } = first.deliveries()[0] as Message;
  expect(await second.ask({ op: 'ack', subscription, leases: [lease] })).toMatchObject({ count: 1 });
  // The credit of the first connection ended with it.
  await hub.publish('jobs.a', 2);
  await until(() => expect(second.deliveries().map(({ event }) => event?.data)).toEqual([2]));
});

test('a pull that the hub ends is reported with its reason', async () => {
  const hub = await openSubscriptionHub();
  const [paused, removed] = [await createQueue(hub), await createQueue(hub)];
  const worker = await connect(hub);
  await worker.ask({ op: 'pull', subscription: paused, credit: 10 });
  await worker.ask({ op: 'pull', subscription: removed, credit: 10 });
  await hub.ask('POST', `/v1/subscriptions/${paused}/pause`);
  await hub.ask('DELETE', `/v1/subscriptions/${removed}`);
  await until(() =>
    expect(worker.messages).toEqual([
      { op: 'pulled', subscription: paused, code: 'subscription_not_active' },
      { op: 'pulled', subscription: removed, code: 'not_found' },
    ]),
  );
  const refused = await worker.ask({ op: 'pull', subscription: paused, credit: 1 });
  expect(refused).toMatchObject({ ok: false, error: { code: 'subscription_not_active' } });
});

test('a client without credit is also notified when a pull has ended', async () => {
  const hub = await openSubscriptionHub();
  const ends = {
    subscription_not_active: (id: string) => hub.ask('POST', `/v1/subscriptions/${id}/pause`),
    not_found: (id: string) => hub.ask('DELETE', `/v1/subscriptions/${id}`),
  };
  for (const [code, end] of Object.entries(ends)) {
    const subscription = await createQueue(hub);
    const [worker, stopped] = [await connect(hub), await connect(hub)];
    for (const each of [worker, stopped]) await each.ask({ op: 'pull', subscription, credit: 1 });
    await stopped.ask({ op: 'pull', subscription, credit: 0 });
    await hub.publish('jobs.a', 1);
    await until(() => expect(worker.deliveries()).toHaveLength(1));
    await end(subscription);
    await until(() => expect(worker.messages.slice(1)).toEqual([{ op: 'pulled', subscription, code }]));
    // A client that stopped by itself receives no message.
    expect((await stopped.ask({ op: 'ping' })).ok).toBe(true);
    expect(stopped.messages).toEqual([]);
  }
});

test('a subscription that is resumed may be pulled from again', async () => {
  const hub = await openSubscriptionHub();
  const subscription = await createQueue(hub);
  const worker = await connect(hub);
  for (let turn = 1; turn <= 3; turn++) {
    expect(await worker.ask({ op: 'pull', subscription, credit: turn })).toMatchObject({ ok: true, credit: turn });
    await hub.publish('jobs.a', turn);
    await until(() => expect(worker.deliveries()).toHaveLength(turn));
    await hub.ask('POST', `/v1/subscriptions/${subscription}/pause`);
    await until(() => expect(worker.messages.filter(({ op }) => op === 'pulled')).toHaveLength(turn));
    await hub.ask('POST', `/v1/subscriptions/${subscription}/resume`);
  }
});

test('clients that may subscribe to its channels may pull; after a change of channels, only if they still may', async () => {
  const hub = await openSubscriptionHub({
    access: 'rules',
    defaults: { subscribe: ['server'], publish: ['server'] },
  });
  const subscription = await createQueue(hub);
  const mayNot = await hub.key({ publish: ['>'] });
  const outsider = await connect(hub, mayNot);
  const refused = await outsider.ask({ op: 'pull', subscription, credit: 1 });
  expect(refused).toMatchObject({ ok: false, error: { code: 'forbidden' } });

  const may = await hub.key({ subscriptions: ['jobs.>', 'other'], subscribe: ['jobs.>'] });
  const worker = await connect(hub, may);
  expect(await worker.ask({ op: 'pull', subscription, credit: 10 })).toMatchObject({ ok: true });
  await hub.publish('jobs.a', 1);
  await until(() => expect(worker.deliveries()).toHaveLength(1));
  const changed = await hub.ask('PATCH', `/v1/subscriptions/${subscription}`, { channels: ['other'] });
  expect(changed.status).toBe(200);
  await hub.publish('other', 'secret');
  await until(() => expect(worker.messages.slice(1)).toEqual([{ op: 'pulled', subscription, code: 'forbidden' }]));
});

test.each([
  ['pull', {}, 'credit'],
  ['pull', { credit: -1 }, 'credit'],
  ['pull', { credit: 1001 }, 'credit'],
  ['pull', { credit: 1, leaseSeconds: 0 }, 'leaseSeconds'],
  ['credit', { credit: 0 }, 'credit'],
  ['ack', {}, 'leases'],
  ['ack', { leases: [] }, 'leases'],
  ['ack', { leases: ['a'], credit: 0 }, 'credit'],
  ['ack', { leases: ['a'], through: 'b' }, 'leases'],
  ['ack', { through: 'now' }, 'through'],
  ['nack', { leases: 'a' }, 'leases'],
  ['nack', { leases: ['a'], delaySeconds: 1e9 }, 'delaySeconds'],
  ['extend', { leases: [1] }, 'leases'],
  ['extend', { leases: ['a'], leaseSeconds: 'b' }, 'leaseSeconds'],
  ['pull', { credit: '1' }, 'credit'],
  ['pull', { credit: 1, leaseSeconds: 43_201 }, 'leaseSeconds'],
  ['credit', {}, 'credit'],
  ['credit', { credit: 1001 }, 'credit'],
  ['ack', { through: 1 }, 'through'],
  ['ack', { through: 'zzzzzzzzzz-00000000001' }, 'through'],
  ['ack', { leases: ['x'.repeat(65)] }, 'leases'],
  ['nack', {}, 'leases'],
  ['nack', { leases: ['LEASE'], delaySeconds: -1 }, 'delaySeconds'],
  ['nack', { leases: ['LEASE'], credit: 1001 }, 'credit'],
  ['ack', { leases: ['LEASE'], credit: 1.5 }, 'credit'],
  ['ack', { leases: ['LEASE', 1] }, 'leases'],
  ['extend', { leases: ['LEASE'], leaseSeconds: -1 }, 'leaseSeconds'],
])(
  "%s with %j is refused with the member's name, and nothing is leased or acknowledged",
  async (op, members, member) => {
    const hub = await openSubscriptionHub();
    const subscription = await createQueue(hub);
    const worker = await connect(hub);
    await worker.ask({ op: 'pull', subscription, credit: 1, leaseSeconds: 40_000 });
    await hub.publish('jobs.a', 'held');
    await until(() => expect(worker.deliveries()).toHaveLength(1));
    await hub.publish('jobs.a', 'waiting');
    const { lease } = worker.deliveries()[0] as Message;
    const named = JSON.parse(JSON.stringify(members).replace('LEASE', lease as string)) as object;
    const { ok, error } = await worker.ask({ op, subscription, ...named });
    expect([ok, error?.code, error?.member]).toEqual([false, 'invalid_message', member]);
    // Other workers get the waiting events. Leased events stay leased for their original time.
    const other = await connect(hub);
    await other.ask({ op: 'pull', subscription, credit: 10 });
    await until(() => expect(other.deliveries().map(({ event }) => event?.data)).toEqual(['waiting']));
    expect(other.deliveries()[0]?.delivery).toBe(1);
    const { body } = await hub.ask('GET', `/v1/subscriptions/${subscription}`);
    expect(body['backlog']).toMatchObject({ inFlight: 2, failing: 0, deadLetters: 0 });
    expect(worker.deliveries()).toHaveLength(1);
    expect(await worker.ask({ op: 'ack', subscription, leases: [lease] })).toMatchObject({ count: 1, notHeld: [] });
  },
);

test('operations on a webhook, on an unknown subscription, and without one are refused', async () => {
  const hub = await openSubscriptionHub();
  const { id } = await hub.create({ channels: ['jobs.>'], delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/' } });
  const worker = await connect(hub);
  for (const [op, members] of [
    ['pull', { credit: 1 }],
    ['credit', { credit: 1 }],
    ['ack', { leases: ['a'] }],
    ['nack', { leases: ['a'] }],
    ['extend', { leases: ['a'] }],
    ['extend', { leases: ['a'], leaseSeconds: 5 }],
  ] as const) {
    const { error: notThere } = await worker.ask({ op, subscription: 'sub_0000000000000000', ...members });
    expect([op, notThere?.code]).toEqual([op, 'not_found']);
    const { error: nothing } = await worker.ask({ op, ...members });
    expect([op, nothing?.code, nothing?.member]).toEqual([op, 'invalid_message', 'subscription']);
    if (op === 'credit') continue;
    const { error } = await worker.ask({ op, subscription: id, ...members });
    expect([op, error?.code]).toEqual([op, 'subscription_not_active']);
  }
  expect(worker.messages).toEqual([]);
});

test('a connection pulls from at most sixteen subscriptions', async () => {
  const hub = await openSubscriptionHub();
  const worker = await connect(hub);
  for (let count = 0; count < 16; count++)
    expect(await worker.ask({ op: 'pull', subscription: await createQueue(hub), credit: 1 })).toMatchObject({
      ok: true,
    });
  const { error } = await worker.ask({ op: 'pull', subscription: await createQueue(hub), credit: 1 });
  expect(error).toMatchObject({ code: 'invalid_message', member: 'subscription' });
});

test('a slow reader is sent no more than it reads, and other workers receive the rest', async () => {
  const hub = await openSubscriptionHub();
  const subscription = await createQueue(hub);
  const slow = await connect(hub);
  const quick = await connect(hub);
  // An event that the slow reader has not read yet must not be given to the other one again.
  await slow.ask({ op: 'pull', subscription, credit: 1000, leaseSeconds: 3600 });
  slow.socket.pause();
  const data = 'x'.repeat(200_000);
  const published = new Set<string>();
  for (let n = 0; n < 200; n++) published.add(await hub.publish('jobs.a', data));
  await quick.ask({ op: 'pull', subscription, credit: 1000, leaseSeconds: 3600 });
  await hub.publish('jobs.a', 'last');
  await until(() => expect(quick.deliveries().at(-1)?.event?.data).toBe('last'));
  expect(quick.deliveries().length).toBeGreaterThan(50);
  slow.socket.resume();
  await until(() => {
    const got = [...slow.deliveries(), ...quick.deliveries()].map(({ event }) => event?.id as string);
    expect(new Set(got).size).toBe(got.length);
    expect(got).toHaveLength(published.size + 1);
  });
});
