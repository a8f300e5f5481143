import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../../testing/websub-subscriber.ts';
import { waitUntil, openWebSubWorld } from '../../../testing/websub-world.ts';

const JSON_TYPE = 'application/json';

describe('discovery (WebSub section 4)', () => {
  it('a topic links to its hub and itself by Link headers, and the hub answers there', async () => {
    const { subscriber, topic, publish, endpoint } = await openWebSubWorld();
    await publish('news.world', '"first"', JSON_TYPE);
    expect(await subscriber.discover(topic('news.world'))).toEqual({ hub: endpoint, self: topic('news.world') });
    const asked = await subscriber.ask(endpoint, {
      mode: 'subscribe',
      topic: topic('news.world'),
      callback: subscriber.callback(),
    });
    expect(asked).toBe(202);
  });

  it('is verified before its first event, and only for readable topics', async () => {
    const { subscriber, topic, endpoint, publish, subscribe } = await openWebSubWorld();
    expect(await subscriber.discover(topic('news.empty'))).toEqual({ hub: endpoint, self: topic('news.empty') });
    for (const method of ['GET', 'HEAD']) {
      const empty = await fetch(topic('news.empty'), { method });
      expect([empty.status, empty.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
      const closed = await fetch(topic('private.empty'), { method });
      expect([closed.status, closed.headers.get('link')]).toEqual([401, null]);
    }
    await subscribe({ topic: topic('news.empty') });
    await publish('news.empty', '"first"', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 1);
  });

  it('uses the configured address, if there is one', async () => {
    const publicUrl = 'https://shop.example/hub';
    const { subscriber, topic, publish, subscribe } = await openWebSubWorld({ publicUrl });
    await publish('news.world', '"first"', JSON_TYPE);
    const self = `${publicUrl}/v1/channels/news.world`;
    expect(await subscriber.discover(topic('news.world'))).toEqual({ hub: `${publicUrl}/v1/websub`, self });
    await subscribe({ topic: self });
    await publish('news.world', '"second"', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length === 1);
    expect(Object.fromEntries(first(subscriber.deliveries).links)).toEqual({ hub: `${publicUrl}/v1/websub`, self });
  });
});

describe('a request (WebSub section 5.1)', () => {
  it('receives 202 before the callback has answered', async () => {
    const { subscriber, ask, listSubscriptions: kept } = await openWebSubWorld();
    let confirm = (): void => undefined;
    subscriber.answer = ({ challenge }, response) => (confirm = () => response.end(challenge));
    expect(await ask()).toBe(202);
    await waitUntil(() => subscriber.verifications.length === 1);
    expect(await kept()).toEqual([]);
    confirm();
    await waitUntil(async () => (await kept()).length === 1);
  });

  it('receives 202 whatever the callback will answer', async () => {
    const { subscriber, ask } = await openWebSubWorld();
    subscriber.answer = (_verification, response) => response.writeHead(404).end();
    expect(await ask()).toBe(202);
    expect(await ask({ mode: 'unsubscribe' })).toBe(202);
    await waitUntil(() => subscriber.verifications.length === 2);
  });

  it('may have parameters that the hub does not know', async () => {
    const { ask } = await openWebSubWorld();
    expect(await ask({ strange: 'yes', foo: 'bar' })).toBe(202);
  });

  it.each([
    ['no mode', { mode: undefined }, 400, 'invalid_body'],
    ['a strange mode', { mode: 'denied' }, 400, 'invalid_body'],
    ['no callback', { callback: undefined }, 400, 'invalid_body'],
    ['no topic', { topic: undefined }, 400, 'invalid_body'],
    ['an invalid callback', { callback: 'javascript:alert(1)' }, 400, 'invalid_body'],
    ['a secret of 200 bytes', { secret: 'x'.repeat(200) }, 400, 'invalid_body'],
    ['a lease that is not a number', { lease_seconds: 'long' }, 400, 'invalid_body'],
    ['a topic of another site', { topic: 'https://elsewhere.example/feed' }, 400, 'invalid_body'],
    ['a pattern as its topic', { topic: 'news.*' }, 400, 'invalid_body'],
    ['a callback within', { callback: 'http://169.254.169.254/latest' }, 422, 'endpoint_refused'],
    ['a callback within, in disguise', { callback: 'http://2130706433/' }, 422, 'endpoint_refused'],
  ])('is refused with %s, without a verification', async (_what, parameters, status, code) => {
    const { subscriber, topic, endpoint, listSubscriptions: kept } = await openWebSubWorld();
    const form = new URLSearchParams({
      'hub.mode': 'subscribe',
      'hub.topic': topic('news.world'),
      'hub.callback': subscriber.callback(),
    });
    for (const [name, value] of Object.entries(parameters)) {
      form.delete(`hub.${name}`);
      if (value !== undefined) form.append(`hub.${name}`, value);
    }
    const answer = await fetch(endpoint, { method: 'POST', body: form });
    const problem = (await answer.json()) as { readonly code: string; readonly category?: string };
    expect([answer.status, problem.code]).toEqual([status, code]);
    expect(problem.category).toBe(code === 'endpoint_refused' ? 'destination' : undefined);
    expect([subscriber.verifications, await kept()]).toEqual([[], []]);
  });

  it('is refused in another media type, and a bad method has no effect', async () => {
    const { endpoint } = await openWebSubWorld();
    const headers = { 'Content-Type': JSON_TYPE };
    expect((await fetch(endpoint, { method: 'POST', headers, body: '{}' })).status).toBe(415);
    expect((await fetch(endpoint)).status).toBe(405);
  });

  it('receives 404 if WebSub is disabled', async () => {
    const { endpoint } = await openWebSubWorld({ websub: { enabled: false } });
    expect((await fetch(endpoint, { method: 'POST', body: new URLSearchParams() })).status).toBe(404);
  });

  it('is refused when one client sends too many', async () => {
    // The limit is twenty requests a second. At this speed of the clock it is one a second, so a
    // slow run changes nothing.
    const { ask } = await openWebSubWorld({}, 0.05);
    const asked = await Promise.all(Array.from({ length: 300 }, () => ask({ mode: 'publish' })));
    expect(new Set(asked)).toEqual(new Set([204, 429]));
  });
});

describe('verification of intent (WebSub section 5.3)', () => {
  it('sends mode, topic, a random challenge, and the lease; the query of the callback is kept', async () => {
    const { subscriber, subscribe, topic } = await openWebSubWorld();
    await subscribe({ callback: subscriber.callback('/callback?who=me&empty=&x=%20') });
    await subscribe({ callback: subscriber.callback('/other') });
    const [first, second] = subscriber.verifications;
    expect(first).toMatchObject({
      method: 'GET',
      mode: 'subscribe',
      topic: topic('news.world'),
      leaseSeconds: '864000',
      verifyToken: undefined,
    });
    expect(first?.path).toMatch(/^\/callback\?who=me&empty=&x=%20&hub\.mode=subscribe&/);
    expect(first?.challenge).not.toBe(second?.challenge);
    expect(first?.challenge.length).toBeGreaterThanOrEqual(16);
  });

  it('states the lease that is granted, within limits', async () => {
    const { subscriber, ask } = await openWebSubWorld();
    for (const lease of ['1', '3600', '99999999'])
      await ask({ lease_seconds: lease, callback: subscriber.callback(`/${lease}`) });
    await waitUntil(() => subscriber.verifications.length === 3);
    const granted = subscriber.verifications.map(({ leaseSeconds }) => leaseSeconds);
    expect(granted.toSorted()).toEqual(['2592000', '3600', '60']);
  });

  it('succeeds with a 2xx and the challenge alone; a redirect is not followed', async () => {
    const { subscriber, ask, subscribe, publish, listSubscriptions: kept } = await openWebSubWorld();
    const asked: string[] = [];
    subscriber.answer = ({ path, challenge }, response) => {
      const [name = ''] = path.slice(1).split('?');
      asked.push(name);
      const location = { Location: subscriber.callback(`/followed?${path.split('?')[1]}`) };
      if (name === 'redirect') response.writeHead(302, location).end(challenge);
      else if (name === 'see') response.writeHead(303, location).end(challenge);
      else if (name === 'missing') response.writeHead(404).end(challenge);
      else if (name === 'broken') response.writeHead(500).end(challenge);
      else if (name === 'empty') response.end();
      else if (name === 'else') response.end(`${challenge}\n`);
      else if (name === 'page') response.end(`<html>${challenge}</html>`);
      else if (name === 'gone') response.destroy();
      else response.writeHead(201).end(challenge);
    };
    const bad = ['redirect', 'see', 'missing', 'broken', 'empty', 'else', 'page', 'gone'];
    for (const name of bad) expect(await ask({ callback: subscriber.callback(`/${name}`) })).toBe(202);
    await subscribe({ callback: subscriber.callback('/good') });
    await publish('news.world', '1', JSON_TYPE);
    await waitUntil(() => subscriber.deliveries.length > 0);
    // Verifications run concurrently, so the last request may be verified first.
    await waitUntil(() => new Set(asked).size > bad.length);
    expect(subscriber.deliveries.map(({ path }) => path)).toEqual(['/good']);
    expect((await kept()).length).toBe(1);
    // A broken connection may cause a second verification.
    expect(new Set(asked)).toEqual(new Set([...bad, 'good']));
  });

  it('repeats the token of PubSubHubbub 0.3', async () => {
    const { subscriber, subscribe } = await openWebSubWorld();
    await subscribe({ verify: 'sync', verify_token: 'a token' });
    expect(subscriber.verifications[0]).toMatchObject({ verifyToken: 'a token' });
  });
});

describe('denial (WebSub section 5.2)', () => {
  it('notifies the callback that a topic is not available, and delivers nothing', async () => {
    const { subscriber, ask, topic, listSubscriptions: kept } = await openWebSubWorld();
    expect(await ask({ topic: topic('internal.plans'), callback: subscriber.callback('/callback?who=me') })).toBe(202);
    await waitUntil(() => subscriber.denials.length === 1);
    expect(subscriber.denials).toEqual([
      {
        path: expect.stringMatching(/^\/callback\?who=me&hub\.mode=denied&/) as string,
        topic: topic('internal.plans'),
        reason: 'This topic is not public.',
      },
    ]);
    expect([subscriber.verifications, await kept()]).toEqual([[], []]);
  });

  it('is the same for an existing channel and a missing one', async () => {
    const { subscriber, ask, topic, publish } = await openWebSubWorld();
    await publish('internal.plans', '1', JSON_TYPE);
    await ask({ topic: topic('internal.plans') });
    await ask({ topic: topic('internal.nothing') });
    await waitUntil(() => subscriber.denials.length === 2);
    expect(new Set(subscriber.denials.map(({ reason }) => reason)).size).toBe(1);
  });

  it('is sent when an operator ends the subscription', async () => {
    const { hub, subscriber, subscribe, listSubscriptions: kept, topic } = await openWebSubWorld();
    await subscribe();
    await hub.administer('DELETE', `/v1/subscriptions/${(await kept())[0]?.id ?? ''}`);
    await waitUntil(() => subscriber.denials.length === 1);
    expect(subscriber.denials[0]).toMatchObject({ topic: topic('news.world') });
  });

  it('is sent when the limit of such subscriptions is reached', async () => {
    const { subscriber, subscribe, ask } = await openWebSubWorld({ websub: { subscriptionsMax: 1 } });
    await subscribe();
    await ask({ callback: subscriber.callback('/second') });
    await waitUntil(() => subscriber.denials.length === 1);
    expect(subscriber.denials[0]).toMatchObject({ reason: 'The hub has reached its limit of subscribers.' });
    await subscribe({ lease_seconds: '100' });
  });

  it('is sent when the hub cannot store more', async () => {
    const { subscriber, subscribe, ask } = await openWebSubWorld({ subscriptions: { subscriptionsMax: 1 } });
    await subscribe();
    await ask({ callback: subscriber.callback('/second') });
    await waitUntil(() => subscriber.denials.length === 1);
    expect(subscriber.denials[0]).toMatchObject({
      reason: 'The hub cannot accept the subscription at the moment. Try again later.',
    });
  });
});

function first(deliveries: readonly Delivery[]): Delivery {
  return deliveries[0] as Delivery;
}
