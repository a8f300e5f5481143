import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isAuthentic, type Delivery } from '../../../testing/websub-subscriber.ts';
import { waitUntil, openWebSubWorld, type WebSubWorld } from '../../../testing/websub-world.ts';

const JSON_TYPE = 'application/json';

describe('delivery (WebSub section 7)', () => {
  it('has the content unchanged, with its exact media type, and Links to the topic and the hub', async () => {
    const { subscriber, subscribe, publish, topic, endpoint } = await openWebSubWorld();
    await subscribe();
    const contents = [
      ['<feed>ü</feed>', 'application/atom+xml; charset=utf-8'],
      [Buffer.from([0, 255, 10, 13, 0]), 'image/x-odd; v="1"'],
      ['{"a": 1.0, "b": [ ]}', JSON_TYPE],
      ['plain\r\nlines\n', 'text/plain;charset=UTF-8'],
    ] as const;
    for (const [body, contentType] of contents) await publish('news.world', body, contentType);
    await waitUntil(() => subscriber.deliveries.length === contents.length);
    expect(subscriber.deliveries.map(({ body, headers }) => [body, headers['content-type']])).toEqual(
      contents.map(([body, contentType]) => [Buffer.from(body), contentType]),
    );
    for (const { links, headers } of subscriber.deliveries) {
      expect(Object.fromEntries(links)).toEqual({ hub: endpoint, self: topic('news.world') });
      expect(headers['x-hub-signature']).toBeUndefined();
    }
    const read = await fetch(topic('news.world'));
    expect([read.headers.get('content-type'), await read.text()]).toEqual([contents[3][1], contents[3][0]]);
  });

  it('is sent to each callback of the topic, and to no callback of another topic', async () => {
    const { subscriber, subscribe, publish, topic } = await openWebSubWorld();
    await subscribe({ callback: subscriber.callback('/1') });
    await subscribe({ callback: subscriber.callback('/2') });
    await subscribe({ callback: subscriber.callback('/1'), topic: topic('news.sport') });
    await publish('news.local', '0', JSON_TYPE);
    await publish('news.world', '1', JSON_TYPE);
    await publish('news.sport', '2', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 3);
    expect(subscriber.deliveries.map(({ path, body }) => path + body.toString()).toSorted()).toEqual([
      '/11',
      '/12',
      '/21',
    ]);
  });

  it.each([
    ['sha256', {}],
    ['sha384', { algorithm: 'sha384' }],
    ['sha512', { algorithm: 'sha512' }],
    ['sha1', { verify: 'async' }],
  ])('is signed by %s with the secret, if there is one', async (algorithm, parameters) => {
    const { subscriber, subscribe, publish } = await openWebSubWorld();
    await subscribe({ ...parameters, secret: 'ein Geheimnis: ü' });
    await publish('news.world', '{"a":"ü"}', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 1);
    const delivery = first(subscriber.deliveries);
    expect(delivery.headers['x-hub-signature']).toMatch(new RegExp(`^${algorithm}=[0-9a-f]+$`));
    expect(isAuthentic(delivery, 'ein Geheimnis: ü')).toBe(true);
    expect(isAuthentic(delivery, 'another')).toBe(false);
  });

  it('is retried when it fails, in order, and a redirect is a failure', async () => {
    const { subscriber, subscribe, publish, listSubscriptions: kept } = await openWebSubWorld({}, 50);
    const answers = [500, 302, 404, 202];
    subscriber.receive = (_delivery, response) =>
      response.writeHead(answers.shift() ?? 202, { Location: subscriber.callback('/elsewhere') }).end();
    await subscribe();
    await publish('news.world', '1', JSON_TYPE);
    await publish('news.world', '2', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 3 || subscriber.deliveries.length === 5);
    expect(subscriber.deliveries.every(({ path, body }) => path === '/callback' && body.toString() === '1')).toBe(true);
    // The id by which a subscriber recognizes it.
    expect(new Set(subscriber.deliveries.map(({ headers }) => headers['webhook-id']))).toEqual(
      new Set([expect.stringMatching(/^[\w-]+$/)]),
    );
    expect((await kept())[0]).toMatchObject({ state: 'active' });
  });

  it('ends with 410', async () => {
    const { subscriber, subscribe, publish, listSubscriptions: kept } = await openWebSubWorld();
    subscriber.receive = (_delivery, response) => response.writeHead(410).end();
    await subscribe();
    await publish('news.world', '1', JSON_TYPE);
    await waitUntil(async () => (await kept())[0]?.state !== 'active');
    subscriber.receive = (_delivery, response) => response.end();
    // A new request creates the subscription again.
    await subscribe();
    await publish('news.world', '2', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.some(({ body }) => body.toString() === '2'));
  });
});

describe('a subscription (WebSub section 5)', () => {
  it('is identified by its topic and callback: a second request renews it, with the new secret', async () => {
    const { subscriber, subscribe, publish, listSubscriptions: kept } = await openWebSubWorld();
    await subscribe({ secret: 'one', lease_seconds: '600' });
    const [before] = await kept();
    await subscribe({ secret: 'two', lease_seconds: '6000' });
    const [after, ...others] = await kept();
    expect([after?.id, others]).toEqual([before?.id, []]);
    expect(Date.parse(after?.expires ?? '') - Date.parse(before?.expires ?? '')).toBeGreaterThan(5_000_000);
    await publish('news.world', '1', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 1);
    expect(isAuthentic(first(subscriber.deliveries), 'two')).toBe(true);
  });

  it('is not changed by a renewal that is not confirmed', async () => {
    const { subscriber, subscribe, ask, publish, listSubscriptions: kept } = await openWebSubWorld();
    await subscribe({ secret: 'one' });
    const before = await kept();
    subscriber.answer = (_verification, response) => response.writeHead(404).end();
    await ask({ secret: "an attacker's" });
    await ask({ mode: 'unsubscribe' });
    // Requests for one topic and callback are processed in order.
    await waitUntil(() => subscriber.verifications.length === 3);
    await publish('news.world', '1', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 1);
    expect(isAuthentic(first(subscriber.deliveries), 'one')).toBe(true);
    expect((await kept()).map(({ id, expires }) => [id, expires])).toEqual(
      before.map(({ id, expires }) => [id, expires]),
    );
  });

  it('cannot be created, renewed or ended by another caller', async () => {
    const { subscriber, subscribe, publish, listSubscriptions: kept, endpoint, topic } = await openWebSubWorld();
    await subscribe({ secret: "the subscriber's" });
    const before = await kept();
    const attack = (mode: string, callback: string) =>
      fetch(endpoint, {
        method: 'POST',
        body: new URLSearchParams({
          'hub.mode': mode,
          'hub.callback': callback,
          'hub.topic': topic('news.world'),
          'hub.secret': "the attacker's",
        }),
      });
    await attack('subscribe', subscriber.callback('/victim'));
    await attack('unsubscribe', subscriber.callback());
    await waitUntil(() => subscriber.verifications.length === 3);
    await subscribe({ callback: subscriber.callback('/second'), secret: "the subscriber's" });
    await publish('news.world', '"content"', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 2);
    expect(subscriber.contents).toEqual(['"content"', '"content"']);
    expect((await kept()).map(({ id }) => id)).toContain(before[0]?.id);
    expect(await kept()).toHaveLength(2);
  });

  it('survives long failures: only its lease ends it', async () => {
    const settings = {
      retryDelaysSeconds: [1, 1],
      suspendAfterSeconds: 60,
      failingNoticeSeconds: 30,
      probeSeconds: 10,
    };
    const {
      subscriber,
      subscribe,
      publish,
      listSubscriptions: kept,
    } = await openWebSubWorld({ subscriptions: settings }, 100);
    subscriber.receive = (_delivery, response) => response.writeHead(500).end();
    await subscribe({ lease_seconds: '100000' });
    let count = 0;
    await waitUntil(async () => {
      await publish('news.world', String(++count), JSON_TYPE);
      return (await kept())[0]?.state === 'suspended';
    });
    subscriber.receive = (_delivery, response) => response.end();
    await waitUntil(async () => (await kept())[0]?.state === 'active');
    await publish('news.world', '"after"', JSON_TYPE);
    await waitUntil(() => subscriber.contents.includes('"after"'));
    expect(subscriber.denials).toEqual([]);
  });

  it('ends with its lease', async () => {
    const { subscriber, subscribe, publish, listSubscriptions: kept } = await openWebSubWorld({}, 50);
    await subscribe({ lease_seconds: '60', callback: subscriber.callback('/short') });
    await subscribe({ callback: subscriber.callback('/long') });
    await waitUntil(async () =>
      (await kept()).every(({ state, delivery }) => delivery.url.endsWith('/long') || state === 'ended'),
    );
    await publish('news.world', '1', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length > 0);
    expect(subscriber.deliveries.map(({ path }) => path)).toEqual(['/long']);
  });

  it('ends when an unsubscription is requested and confirmed', async () => {
    const { subscriber, subscribe, ask, publish, listSubscriptions: kept } = await openWebSubWorld();
    await subscribe({ callback: subscriber.callback('/ends') });
    await subscribe({ callback: subscriber.callback('/stays') });
    await ask({ mode: 'unsubscribe', callback: subscriber.callback('/ends') });
    await waitUntil(async () => (await kept()).length === 1);
    expect(subscriber.verifications.at(-1)).toMatchObject({ mode: 'unsubscribe', leaseSeconds: undefined });
    await publish('news.world', '1', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length > 0);
    expect(subscriber.deliveries.map(({ path }) => path)).toEqual(['/stays']);
  });

  it('begins with the events published after its request', async () => {
    const { subscriber, ask, publish } = await openWebSubWorld();
    await publish('news.world', '"before"', JSON_TYPE);
    let confirm = (): void => undefined;
    subscriber.answer = ({ challenge }, response) => (confirm = () => response.end(challenge));
    await ask();
    await waitUntil(() => subscriber.verifications.length === 1);
    await publish('news.world', '"meanwhile"', JSON_TYPE);
    confirm();
    await waitUntil(() => subscriber.deliveries.length === 1);
    expect(first(subscriber.deliveries).body.toString()).toBe('"meanwhile"');
  });
});

describe('a hub that stops', () => {
  it('does not wait for callbacks that hang', async () => {
    const { hub, subscriber, ask } = await openWebSubWorld();
    subscriber.answer = () => undefined;
    await ask();
    await waitUntil(() => subscriber.verifications.length === 1);
    const beganMs = performance.now();
    await hub.close();
    // A verification may take 15 seconds.
    expect(performance.now() - beganMs).toBeLessThan(12_000);
  });
});

describe('a hub that restarts', () => {
  it('continues with its stored subscriptions', async () => {
    const { subscriber, publish } = await comeBack((world) => world.subscribe({ secret: 'kept' }));
    await publish('news.world', '1', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 1);
    expect(isAuthentic(first(subscriber.deliveries), 'kept')).toBe(true);
  });

  it('notifies subscribers that are no longer allowed, and removes them', async () => {
    const { subscriber, listSubscriptions: kept } = await comeBack((world) => world.subscribe(), { rules: [] });
    await waitUntil(() => subscriber.denials.length === 1);
    expect(subscriber.denials[0]).toMatchObject({ reason: 'This topic is not public.' });
    expect(await kept()).toEqual([]);
  });
});

/** Ends a hub and starts another one on its data folder. */
async function comeBack(before: (world: WebSubWorld) => Promise<void>, settings: object = {}): Promise<WebSubWorld> {
  const data = await mkdtemp(join(tmpdir(), 'polycast-websub-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  const first = await openWebSubWorld({ data });
  await before(first);
  await first.hub.close();
  return openWebSubWorld({ data, ...settings }, 1, first);
}

function first(deliveries: readonly Delivery[]): Delivery {
  return deliveries[0] as Delivery;
}
