import { encodeCursor } from '@polycast/protocol';
import { expect, test, vi } from 'vitest';
import { answerWith, openSubscriptionKit, openReceiver, webhook } from '../testing/subscription-kit.ts';
import { openVirtualTime } from '../testing/virtual-time.ts';

test('published events are posted, signed, and after a restart deliveries continue at the position', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const { subscription } = await kit.engine.subscriptions.create(webhook(receiver.url));
  await kit.publish('a.1', 1);
  await kit.publish('b.1', 'not meant');
  await kit.publish('a.2', 2);
  await receiver.until(({ length }) => length === 2);
  await kit.close();
  expect(receiver.received.map(({ body }) => (JSON.parse(body) as { data: number }).data).toSorted()).toEqual([1, 2]);
  expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,/);

  const next = await openSubscriptionKit({ persisted: kit });
  expect(next.engine.subscriptions.get(subscription.definition.id)?.definition).toEqual(subscription.definition);
  await next.publish('a.1', 3);
  await receiver.until(({ length }) => length === 3);
  await next.close();
  expect(receiver.received.length).toBe(3);
  expect(JSON.parse(receiver.received[2]?.body ?? '')).toMatchObject({ channel: 'a.1', data: 3 });
});

test('the sender prepares for requests when a webhook is active', async () => {
  const { engine, create } = await openSubscriptionKit();
  const prepare = vi.spyOn(engine.sender, 'prepare');
  await create({ ...webhook('http://127.0.0.1:1/'), delivery: { kind: 'pull', leaseMs: 30_000, deliveriesMax: 5 } });
  expect(prepare).not.toHaveBeenCalled();
  await create(webhook('http://127.0.0.1:1/'));
  expect(prepare).toHaveBeenCalled();
});

test('a failing channel delays itself alone, and its events arrive in order', async () => {
  const receiver = await openReceiver();
  let failures = 0;
  receiver.answer = ({ body }, response) => {
    const isBad = body.includes('"a.bad"') && failures++ < 2;
    response.writeHead(isBad ? 500 : 200).end();
  };
  const kit = await openSubscriptionKit({ speed: 20 });
  await kit.create(webhook(receiver.url));
  for (let count = 0; count < 5; count++) for (const channel of ['a.bad', 'a.good']) await kit.publish(channel, count);
  await receiver.until(({ length }) => length === 12);
  const bodies = receiver.received.map(({ body }) => JSON.parse(body) as { channel: string; data: number });
  const of = (name: string): number[] => bodies.filter(({ channel }) => channel === name).map(({ data }) => data);
  expect(of('a.good')).toEqual([0, 1, 2, 3, 4]);
  expect(of('a.bad')).toEqual([0, 0, 0, 1, 2, 3, 4]);
});

const dataOf = ({ body }: { readonly body: string }): unknown => (JSON.parse(body) as { data: unknown }).data;

test('an event that fails all its attempts is a dead letter, which can be retried or discarded', async () => {
  const receiver = await openReceiver();
  receiver.answer = ({ body }, response) => response.writeHead(dataOf({ body }) === 'bad' ? 500 : 200).end();
  const kit = await openSubscriptionKit({ speed: 20 });
  const { subscriptions } = kit.engine;
  const id = await kit.create(webhook(receiver.url));
  const position = await kit.publish('a.1', 'bad');
  await kit.publish('a.1', 'next');
  await receiver.until((received) => received.some((one) => dataOf(one) === 'next'));
  expect(receiver.received.map(dataOf)).toEqual(['bad', 'bad', 'bad', 'bad', 'next']);
  await vi.waitFor(async () => expect(await subscriptions.deadLetters(id, { limit: 10 })).toHaveLength(1));
  expect(subscriptions.backlog(id)).toMatchObject({ deadLetters: 1, failing: 0 });

  receiver.answer = answerWith(200);
  expect(await subscriptions.retryDeadLetters(id, undefined)).toBe(1);
  await receiver.until(({ length }) => length === 6);
  expect(dataOf(receiver.received[5] as { body: string })).toBe('bad');
  expect(await subscriptions.retryDeadLetters(id, { epoch: kit.feed.epoch, position })).toBe(0);
  expect(await subscriptions.deadLetters(id, { limit: 10 })).toEqual([]);
});

test('a replay delivers a channel again, beside new events, and survives a restart', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const id = await kit.create(webhook(receiver.url));
  for (let count = 0; count < 4; count++) for (const channel of ['a.1', 'a.2']) await kit.publish(channel, count);
  await receiver.until(({ length }) => length === 8);
  receiver.answer = answerWith(503);
  const replay = await subscriptions.replay(id, { after: 2, channel: 'a.1' });
  expect(replay).toMatchObject({ after: 2, isDone: false });
  await receiver.until(({ length }) => length > 8);
  await kit.close();
  const before = receiver.received.length;

  receiver.answer = answerWith(200);
  const next = await openSubscriptionKit({ persisted: kit });
  await receiver.until(({ length }) => length === before + 3);
  expect(receiver.received.slice(before).map(dataOf)).toEqual([1, 2, 3]);
  await vi.waitFor(() =>
    expect(next.engine.subscriptions.replays(id)).toMatchObject([{ id: replay.id, isDone: true }]),
  );
});

test('replays take turns with each other and with new events, and end although some events fail', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit({ speed: 20 });
  const retryDelaysMs = Array.from({ length: 30 }, () => 1000);
  const options = webhook(receiver.url, { ordering: 'none' }, { retryDelaysMs });
  const id = await kit.create(options);
  for (let count = 0; count < 200; count++) await kit.publish(`a.${count % 4}`, count);
  await receiver.until(({ length }) => length === 200);
  let asked = 0;
  receiver.answer = (_received, response) => response.writeHead(asked++ % 40 === 7 ? 500 : 204).end();
  await kit.engine.subscriptions.replay(id, { after: 0, channel: undefined });
  await kit.engine.subscriptions.replay(id, { after: 100, channel: undefined });
  for (let count = 0; count < 100; count++) await kit.publish(`a.${count % 4}`, count);
  await vi.waitFor(() => expect(kit.engine.subscriptions.replays(id).every(({ isDone }) => isDone)).toBe(true));
  await vi.waitFor(() => expect(kit.engine.counts.webhooks.events).toBe(200 + 200 + 100 + 100));
});

test("a replay sends to the subscription's present URL", async () => {
  const before = await openReceiver();
  const after = await openReceiver();
  const kit = await openSubscriptionKit({ speed: 20 });
  const { subscriptions } = kit.engine;
  const options = webhook(before.url, { concurrencyMax: 1, ordering: 'none' });
  const id = await kit.create(options);
  for (let count = 0; count < 20; count++) await kit.publish('a.1', count);
  await before.until(({ length }) => length === 20);

  // The first event of the replay is refused, and so it waits for a retry.
  before.answer = answerWith(500);
  await subscriptions.replay(id, { after: 0, channel: undefined });
  await before.until(({ length }) => length > 20);
  before.answer = answerWith(200);
  const delivery = { ...options.delivery, url: after.url };
  await subscriptions.change(id, { delivery, isTrusted: true }, undefined);
  const { length } = before.received;
  await vi.waitFor(() => expect(subscriptions.replays(id).every(({ isDone }) => isDone)).toBe(true));
  // One request may have been in flight.
  expect(before.received.length).toBeLessThanOrEqual(length + 1);
  expect(after.received.map(dataOf)).toContain(19);
});

test('`resume` attempts the failed events of a replay too', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const id = await kit.create(webhook(receiver.url, {}, { retryDelaysMs: [3_600_000] }));
  await kit.publish('a.1', 1);
  await receiver.until(({ length }) => length === 1);
  receiver.answer = answerWith(500);
  await subscriptions.replay(id, { after: 0, channel: undefined });
  await vi.waitFor(() => expect(kit.engine.counts.webhooks.outcomes).toMatchObject({ refused_status: 1 }));
  receiver.answer = answerWith(200);
  await subscriptions.resume(id);
  await vi.waitFor(() => expect(subscriptions.replays(id)).toMatchObject([{ isDone: true }]));
  expect(receiver.received.map(dataOf)).toEqual([1, 1, 1]);
});

test('batches wait for a time, or until they are full', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  await kit.create(webhook(receiver.url, {}, { batch: { countMax: 3, waitMs: 30 } }));
  for (let count = 0; count < 7; count++) await kit.publish('a.1', count);
  await receiver.until((received) => received.flatMap(({ body }) => JSON.parse(body) as unknown[]).length === 7);
  const batches = receiver.received.map(({ body }) => (JSON.parse(body) as { data: number }[]).map(({ data }) => data));
  expect(batches.flat()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(3);
});

test('an endpoint that fails for long is suspended, probed, and resumes when it is back', async () => {
  const receiver = await openReceiver();
  const news = await openReceiver();
  receiver.answer = answerWith(500);
  const settings = { failingNoticeSeconds: 10, suspendAfterSeconds: 60, probeSeconds: 5 };
  const kit = await openSubscriptionKit({ speed: 30, settings });
  const { subscriptions } = kit.engine;
  await kit.create(webhook(news.url, { channels: ['polycast.>'] }));
  const retryDelaysMs = Array.from({ length: 100 }, () => 1000);
  const id = await kit.create(webhook(receiver.url, {}, { retryDelaysMs }));
  for (let count = 0; count < 40; count++) await kit.publish(`a.${count % 10}`, count);
  await vi.waitFor(() => expect(subscriptions.get(id)?.status.state).toBe('suspended'));
  const before = receiver.received.length;
  await receiver.until(({ length }) => length >= before + 2);
  receiver.answer = answerWith(200);
  await vi.waitFor(() => expect(subscriptions.get(id)?.status).toMatchObject({ state: 'active', reason: 'healed' }));
  await vi.waitFor(() =>
    expect(subscriptions.backlog(id)).toMatchObject({ failing: 0, lagPositions: 0, deadLetters: 0 }),
  );
  await receiver.until((received) => new Set(received.map(dataOf)).size === 40);
  await news.until(({ length }) => length >= 3);
  const types = news.received.map(({ body }) => (JSON.parse(body) as { type: string }).type);
  expect(types).toEqual(['failing', 'suspended', 'resumed'].map((kind) => `polycast.subscription.${kind}`));
});

test('failures are announced before the suspension, also where both are due at once', async () => {
  const receiver = await openReceiver();
  const news = await openReceiver();
  receiver.answer = answerWith(500);
  const settings = { failingNoticeSeconds: 10, suspendAfterSeconds: 10, probeSeconds: 600 };
  const kit = await openSubscriptionKit({ speed: 30, settings });
  await kit.create(webhook(news.url, { channels: ['polycast.>'] }));
  const retryDelaysMs = Array.from({ length: 100 }, () => 1000);
  await kit.create(webhook(receiver.url, {}, { retryDelaysMs }));
  for (let count = 0; count < 10; count++) await kit.publish(`a.${count}`, count);
  await news.until(({ length }) => length >= 2);
  const types = news.received.map(({ body }) => (JSON.parse(body) as { type: string }).type);
  expect(types).toEqual(['polycast.subscription.failing', 'polycast.subscription.suspended']);
});

test('an endpoint must be verified before it receives events; one that answers 410 receives no more', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  receiver.answer = ({ body }, response) => {
    const { type, data } = JSON.parse(body) as { type?: string; data: { challenge?: string } };
    if (type === 'polycast.verify') response.writeHead(200).end(JSON.stringify({ challenge: data.challenge }));
    else response.writeHead(410).end();
  };
  const { subscription } = await subscriptions.create(webhook(receiver.url, { isTrusted: false }));
  const { id } = subscription.definition;
  expect(subscription.status).toMatchObject({ state: 'pending', reason: 'created' });
  await kit.publish('a.1', 1);
  await vi.waitFor(() => expect(subscriptions.get(id)?.status).toMatchObject({ state: 'ended', reason: 'gone' }));
  await kit.publish('a.1', 2);
  expect(receiver.received).toHaveLength(2);
  await expect(subscriptions.resume(id)).rejects.toMatchObject({ code: 'subscription_not_active' });
});

test('a verification is valid for the endpoint that was asked, not for one that replaces it during the write', async () => {
  const [asked, other] = [await openReceiver(), await openReceiver()];
  const yes = { 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '60' };
  asked.answer = (_received, response) => response.writeHead(200, yes).end();
  other.answer = answerWith(500);
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const enqueue = kit.store.enqueue.bind(kit.store);
  let isMoved = false;
  const moving: typeof enqueue = (changes) => {
    enqueue(changes);
    const [rate] = changes.flatMap((each) => (each.kind === 'definition' ? [each.definition] : []));
    // The rate that the endpoint asked for is being stored.
    if (rate?.ratePerSecond !== 1 || isMoved) return;
    isMoved = true;
    const delivery = { ...rate.delivery, url: other.url } as typeof rate.delivery;
    void subscriptions.change(rate.id, { delivery, isTrusted: false }, undefined);
  };
  Object.assign(kit.store, { enqueue: moving });
  const options = webhook(asked.url, { isTrusted: false, ratePerSecond: 10 }, { dialect: 'cloudevents' });
  const id = await kit.create(options);
  await vi.waitFor(async () =>
    expect(await subscriptions.attempts(id, { before: Infinity, limit: 10 })).toHaveLength(2),
  );
  expect(subscriptions.get(id)?.status).toMatchObject({ state: 'pending', reason: 'moved' });
});

test('the endpoint receives a gap of retention in its place', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  for (let count = 0; count < 5; count++) await kit.publish('a.1', count);
  await kit.log.trim([{ channel: 'a.1', countMax: 2 }], Date.now());
  await kit.close();
  const next = await openSubscriptionKit({ persisted: kit });
  await next.create(webhook(receiver.url, { cursor: 1 }));
  await receiver.until(({ length }) => length === 3);
  const [gap, ...events] = receiver.received.map(({ body }) => JSON.parse(body) as { type?: string; data: unknown });
  const { epoch } = next.feed;
  expect(gap).toMatchObject({
    type: 'polycast.gap',
    data: { from: encodeCursor(epoch, 1), to: encodeCursor(epoch, 3), reason: 'retention' },
  });
  expect(events.map(({ data }) => data)).toEqual([3, 4]);
});

test('a WebSub subscriber receives contents only, and no gap', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  for (let count = 0; count < 5; count++) await kit.publish('a.1', count);
  await kit.log.trim([{ channel: 'a.1', countMax: 2 }], Date.now());
  await kit.close();
  const next = await openSubscriptionKit({ persisted: kit });
  const delivery = { dialect: 'websub', format: 'data', secrets: [] };
  await next.create(webhook(receiver.url, { channels: ['a.1'], cursor: 1 }, delivery));
  await receiver.until(({ length }) => length === 2);
  await vi.waitFor(() =>
    expect(next.engine.subscriptions.list({ after: '', limit: 1, predicate: () => true })[0]?.status.cursor).toBe(5),
  );
  expect(receiver.received.map(({ body }) => body)).toEqual(['3', '4']);
});

test('a pause delays new events, and an expired subscription ends', async () => {
  const receiver = await openReceiver();
  const travel = await openVirtualTime();
  const { kit } = travel;
  const { subscriptions } = kit.engine;
  const endsMs = travel.nowMs() + 20_000;
  const id = await kit.create(webhook(receiver.url, { endsMs }));
  await subscriptions.pause(id);
  await kit.publish('a.1', 1);
  await subscriptions.resume(id);
  await receiver.until(({ length }) => length === 1);
  await travel.advance(20_000);
  expect(subscriptions.get(id)?.status).toMatchObject({ state: 'ended', reason: 'lease_over' });
});

test('a sample is sent immediately, and both secrets sign during a rotation', async () => {
  const receiver = await openReceiver();
  const kit = await openSubscriptionKit();
  const { subscriptions } = kit.engine;
  const id = await kit.create(webhook(receiver.url));
  await subscriptions.rotateSecret(id, 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 60_000);
  const attempt = await subscriptions.test(id, { channel: 'a.test', type: 'order.paid', data: '{"total":1}' });
  expect(attempt).toMatchObject({ outcome: 'delivered', position: 0, subscription: id });
  expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
  expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
    channel: 'a.test',
    type: 'order.paid',
    data: { total: 1 },
  });
});
