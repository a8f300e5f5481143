import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isAuthentic } from '../../testing/websub-subscriber.ts';
import { until, webSubWorld, type WebSubWorld } from './testing.ts';

const JSON_TYPE = 'application/json';

describe('discovery (WebSub section 4)', () => {
  it('a topic tells its hub and itself by Link headers, and the hub answers there', async () => {
    const { subscriber, topic, publish, endpoint } = await webSubWorld();
    await publish('news.world', '"first"', JSON_TYPE);
    expect(await subscriber.discover(topic('news.world'))).toEqual({ hub: endpoint, self: topic('news.world') });
    const asked = await subscriber.ask(endpoint, {
      mode: 'subscribe',
      topic: topic('news.world'),
      callback: subscriber.callback(),
    });
    expect(asked).toBe(202);
  });

  it('by the address that is configured, where there is one', async () => {
    const publicUrl = 'https://shop.example/hub';
    const { subscriber, topic, publish, subscribe } = await webSubWorld({ publicUrl });
    await publish('news.world', '"first"', JSON_TYPE);
    const self = `${publicUrl}/v1/channels/news.world`;
    expect(await subscriber.discover(topic('news.world'))).toEqual({ hub: `${publicUrl}/v1/websub`, self });
    await subscribe({ topic: self });
    await publish('news.world', '"second"', JSON_TYPE);
    await until(() => subscriber.deliveries.length === 1);
    expect(Object.fromEntries(subscriber.deliveries[0]!.links)).toEqual({ hub: `${publicUrl}/v1/websub`, self });
  });
});

describe('a request (WebSub section 5.1)', () => {
  it('is answered 202 before the callback has answered', async () => {
    const { subscriber, ask, kept } = await webSubWorld();
    let confirm = (): void => undefined;
    subscriber.answer = ({ challenge }, response) => (confirm = () => response.end(challenge));
    expect(await ask()).toBe(202);
    await until(() => subscriber.verifications.length === 1);
    expect(await kept()).toEqual([]);
    confirm();
    await until(async () => (await kept()).length === 1);
  });

  it('is answered 202 whatever the callback will say', async () => {
    const { subscriber, ask } = await webSubWorld();
    subscriber.answer = (_verification, response) => response.writeHead(404).end();
    expect(await ask()).toBe(202);
    expect(await ask({ mode: 'unsubscribe' })).toBe(202);
    await until(() => subscriber.verifications.length === 2);
  });

  it('may have parameters that the hub does not know', async () => {
    const { ask } = await webSubWorld();
    expect(await ask({ strange: 'yes', foo: 'bar' })).toBe(202);
  });

  it.each([
    ['no mode', { mode: undefined }, 400, 'invalid_body'],
    ['a strange mode', { mode: 'denied' }, 400, 'invalid_body'],
    ['no callback', { callback: undefined }, 400, 'invalid_body'],
    ['no topic', { topic: undefined }, 400, 'invalid_body'],
    ['a callback that is none', { callback: 'javascript:alert(1)' }, 400, 'invalid_body'],
    ['a secret of 200 bytes', { secret: 'x'.repeat(200) }, 400, 'invalid_body'],
    ['a lease that is no number', { lease_seconds: 'long' }, 400, 'invalid_body'],
    ["somebody else's topic", { topic: 'https://elsewhere.example/feed' }, 400, 'invalid_body'],
    ['a pattern as its topic', { topic: 'news.*' }, 400, 'invalid_body'],
    ['a callback within', { callback: 'http://169.254.169.254/latest' }, 422, 'endpoint_refused'],
    ['a callback within, in disguise', { callback: 'http://2130706433/' }, 422, 'endpoint_refused'],
  ])('is refused with %s, and nobody is asked', async (_what, parameters, status, code) => {
    const { subscriber, topic, endpoint, kept } = await webSubWorld();
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
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
    expect([subscriber.verifications, await kept()]).toEqual([[], []]);
  });

  it('is refused in another media type, and a bad method has no effect', async () => {
    const { endpoint } = await webSubWorld();
    const headers = { 'Content-Type': JSON_TYPE };
    expect((await fetch(endpoint, { method: 'POST', headers, body: '{}' })).status).toBe(415);
    expect((await fetch(endpoint)).status).toBe(405);
  });

  it('is not there at all where it is turned off', async () => {
    const { endpoint } = await webSubWorld({ websub: { enabled: false } });
    expect((await fetch(endpoint, { method: 'POST', body: new URLSearchParams() })).status).toBe(404);
  });

  it('is held back when one client asks too often', async () => {
    const { ask } = await webSubWorld();
    const asked = await Promise.all(Array.from({ length: 220 }, () => ask({ mode: 'publish' })));
    expect(new Set(asked)).toEqual(new Set([204, 429]));
  });
});

describe('verification of intent (WebSub section 5.3)', () => {
  it('asks with mode, topic, a challenge that cannot be guessed, and the lease; the query of the callback is kept', async () => {
    const { subscriber, subscribe, topic } = await webSubWorld();
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
    expect(first!.path).toMatch(/^\/callback\?who=me&empty=&x=%20&hub\.mode=subscribe&/);
    expect(first!.challenge).not.toBe(second!.challenge);
    expect(first!.challenge.length).toBeGreaterThanOrEqual(16);
  });

  it('says the lease that is granted, within bounds', async () => {
    const { subscriber, ask } = await webSubWorld();
    for (const lease of ['1', '3600', '99999999'])
      await ask({ lease_seconds: lease, callback: subscriber.callback(`/${lease}`) });
    await until(() => subscriber.verifications.length === 3);
    const granted = subscriber.verifications.map(({ leaseSeconds }) => leaseSeconds);
    expect(granted.toSorted()).toEqual(['2592000', '3600', '60']);
  });

  it('passes with a 2xx and the challenge alone; a redirect is not followed', async () => {
    const { subscriber, ask, subscribe, publish, kept } = await webSubWorld();
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
    await until(() => subscriber.deliveries.length > 0);
    expect(subscriber.deliveries.map(({ path }) => path)).toEqual(['/good']);
    expect((await kept()).length).toBe(1);
    // Whose connection breaks may be asked once more.
    expect(new Set(asked)).toEqual(new Set([...bad, 'good']));
  });

  it('says the token of PubSubHubbub 0.3 again', async () => {
    const { subscriber, subscribe } = await webSubWorld();
    await subscribe({ verify: 'sync', verify_token: 'a token' });
    expect(subscriber.verifications[0]).toMatchObject({ verifyToken: 'a token' });
  });
});

describe('delivery (WebSub section 7)', () => {
  it('is the content as it is, with its exact media type, and Links to the topic and the hub', async () => {
    const { subscriber, subscribe, publish, topic, endpoint } = await webSubWorld();
    await subscribe();
    const contents = [
      ['<feed>ü</feed>', 'application/atom+xml; charset=utf-8'],
      [Buffer.from([0, 255, 10, 13, 0]), 'image/x-odd; v="1"'],
      ['{"a": 1.0, "b": [ ]}', JSON_TYPE],
      ['plain\r\nlines\n', 'text/plain;charset=UTF-8'],
    ] as const;
    for (const [body, contentType] of contents) await publish('news.world', body, contentType);
    await until(() => subscriber.deliveries.length === contents.length);
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

  it('goes to each callback of the topic, and for no other topic', async () => {
    const { subscriber, subscribe, publish, topic } = await webSubWorld();
    await subscribe({ callback: subscriber.callback('/1') });
    await subscribe({ callback: subscriber.callback('/2') });
    await subscribe({ callback: subscriber.callback('/1'), topic: topic('news.sport') });
    await publish('news.local', '0', JSON_TYPE);
    await publish('news.world', '1', JSON_TYPE);
    await publish('news.sport', '2', JSON_TYPE);
    await until(() => subscriber.deliveries.length === 3);
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
  ])('is signed by %s with the secret, when there is one', async (algorithm, parameters) => {
    const { subscriber, subscribe, publish } = await webSubWorld();
    await subscribe({ ...parameters, secret: 'ein Geheimnis: ü' });
    await publish('news.world', '{"a":"ü"}', JSON_TYPE);
    await until(() => subscriber.deliveries.length === 1);
    const [delivery] = subscriber.deliveries;
    expect(delivery!.headers['x-hub-signature']).toMatch(new RegExp(`^${algorithm}=[0-9a-f]+$`));
    expect(isAuthentic(delivery!, 'ein Geheimnis: ü')).toBe(true);
    expect(isAuthentic(delivery!, 'another')).toBe(false);
  });

  it('is tried again when it fails, in order, and a redirect is a failure', async () => {
    const { subscriber, subscribe, publish, kept } = await webSubWorld({}, 50);
    const answers = [500, 302, 404, 202];
    subscriber.receive = (_delivery, response) =>
      response.writeHead(answers.shift() ?? 202, { Location: subscriber.callback('/elsewhere') }).end();
    await subscribe();
    await publish('news.world', '1', JSON_TYPE);
    await publish('news.world', '2', JSON_TYPE);
    await until(() => subscriber.deliveries.length === 3 || subscriber.deliveries.length === 5);
    expect(subscriber.deliveries.every(({ path, body }) => path === '/callback' && body.toString() === '1')).toBe(true);
    expect((await kept())[0]).toMatchObject({ state: 'active' });
  });

  it('ends with 410', async () => {
    const { subscriber, subscribe, publish, kept } = await webSubWorld();
    subscriber.receive = (_delivery, response) => response.writeHead(410).end();
    await subscribe();
    await publish('news.world', '1', JSON_TYPE);
    await until(async () => (await kept())[0]?.state !== 'active');
    subscriber.receive = (_delivery, response) => response.end();
    // Whoever asks again has it again.
    await subscribe();
    await publish('news.world', '2', JSON_TYPE);
    await until(() => subscriber.deliveries.some(({ body }) => body.toString() === '2'));
  });
});

describe('a subscription (WebSub section 5)', () => {
  it('is known by its topic and callback: asked for again it is renewed, with the new secret', async () => {
    const { subscriber, subscribe, publish, kept } = await webSubWorld();
    await subscribe({ secret: 'one', lease_seconds: '600' });
    const [before] = await kept();
    await subscribe({ secret: 'two', lease_seconds: '6000' });
    const [after, ...others] = await kept();
    expect([after!.id, others]).toEqual([before!.id, []]);
    expect(Date.parse(after!.expires) - Date.parse(before!.expires)).toBeGreaterThan(5_000_000);
    await publish('news.world', '1', JSON_TYPE);
    await until(() => subscriber.deliveries.length === 1);
    expect(isAuthentic(subscriber.deliveries[0]!, 'two')).toBe(true);
  });

  it('is left as it was by a renewal that is not confirmed', async () => {
    const { subscriber, subscribe, ask, publish, kept } = await webSubWorld();
    await subscribe({ secret: 'one' });
    const before = await kept();
    subscriber.answer = (_verification, response) => response.writeHead(404).end();
    await ask({ secret: "an attacker's" });
    await ask({ mode: 'unsubscribe' });
    // What is asked later is settled later, for one topic and callback.
    await until(() => subscriber.verifications.length === 3);
    await publish('news.world', '1', JSON_TYPE);
    await until(() => subscriber.deliveries.length === 1);
    expect(isAuthentic(subscriber.deliveries[0]!, 'one')).toBe(true);
    expect((await kept()).map(({ id, expires }) => [id, expires])).toEqual(
      before.map(({ id, expires }) => [id, expires]),
    );
  });

  it('ends when its lease is over', async () => {
    const { subscriber, subscribe, publish, kept } = await webSubWorld({}, 50);
    await subscribe({ lease_seconds: '60', callback: subscriber.callback('/short') });
    await subscribe({ callback: subscriber.callback('/long') });
    await until(async () =>
      (await kept()).every(({ state, delivery }) => delivery.url.endsWith('/long') || state === 'ended'),
    );
    await publish('news.world', '1', JSON_TYPE);
    await until(() => subscriber.deliveries.length > 0);
    expect(subscriber.deliveries.map(({ path }) => path)).toEqual(['/long']);
  });

  it('ends when that is asked for and confirmed', async () => {
    const { subscriber, subscribe, ask, publish, kept } = await webSubWorld();
    await subscribe({ callback: subscriber.callback('/ends') });
    await subscribe({ callback: subscriber.callback('/stays') });
    await ask({ mode: 'unsubscribe', callback: subscriber.callback('/ends') });
    await until(async () => (await kept()).length === 1);
    expect(subscriber.verifications.at(-1)).toMatchObject({ mode: 'unsubscribe', leaseSeconds: undefined });
    await publish('news.world', '1', JSON_TYPE);
    await until(() => subscriber.deliveries.length > 0);
    expect(subscriber.deliveries.map(({ path }) => path)).toEqual(['/stays']);
  });

  it('begins with what was published after it was asked for', async () => {
    const { subscriber, ask, publish } = await webSubWorld();
    await publish('news.world', '"before"', JSON_TYPE);
    let confirm = (): void => undefined;
    subscriber.answer = ({ challenge }, response) => (confirm = () => response.end(challenge));
    await ask();
    await until(() => subscriber.verifications.length === 1);
    await publish('news.world', '"meanwhile"', JSON_TYPE);
    confirm();
    await until(() => subscriber.deliveries.length === 1);
    expect(subscriber.deliveries[0]!.body.toString()).toBe('"meanwhile"');
  });
});

describe('denial (WebSub section 5.2)', () => {
  it('tells the callback that a topic is not to be had, and delivers nothing', async () => {
    const { subscriber, ask, topic, kept } = await webSubWorld();
    expect(await ask({ topic: topic('internal.plans'), callback: subscriber.callback('/callback?who=me') })).toBe(202);
    await until(() => subscriber.denials.length === 1);
    expect(subscriber.denials).toEqual([
      {
        path: expect.stringMatching(/^\/callback\?who=me&hub\.mode=denied&/) as string,
        topic: topic('internal.plans'),
        reason: 'This topic is not public.',
      },
    ]);
    expect([subscriber.verifications, await kept()]).toEqual([[], []]);
  });

  it('is the same for a channel that there is and one that there is not', async () => {
    const { subscriber, ask, topic, publish } = await webSubWorld();
    await publish('internal.plans', '1', JSON_TYPE);
    await ask({ topic: topic('internal.plans') });
    await ask({ topic: topic('internal.nothing') });
    await until(() => subscriber.denials.length === 2);
    expect(new Set(subscriber.denials.map(({ reason }) => reason)).size).toBe(1);
  });

  it('comes when the hub can keep no more', async () => {
    const { subscriber, subscribe, ask } = await webSubWorld({ subscriptions: { subscriptionsMax: 1 } });
    await subscribe();
    await ask({ callback: subscriber.callback('/second') });
    await until(() => subscriber.denials.length === 1);
    expect(subscriber.denials[0]).toMatchObject({ reason: 'The hub cannot take it on now; ask again later.' });
  });
});

describe("publishers' pings", () => {
  it('are taken for channels of this hub, whose events are delivered anyway', async () => {
    const { ask, topic } = await webSubWorld();
    expect(await ask({ mode: 'publish', topic: undefined, url: topic('news.world') })).toBe(204);
    expect(await ask({ mode: 'publish', topic: topic('news.world') })).toBe(204);
    expect(await ask({ mode: 'publish', topic: undefined })).toBe(400);
    expect(await ask({ mode: 'publish', topic: 'https://elsewhere.example/feed' })).toBe(400);
  });

  it("have others' documents fetched and delivered byte for byte, where a setting names them and somebody has subscribed", async () => {
    const site = await publisherSite();
    const { subscriber, subscribe, ask } = await webSubWorld(
      {
        websub: { topics: [`${site.url}/feeds`] },
        outgoing: { allow: ['127.0.0.1'], ports: [site.port] },
      },
      50,
    );
    const topic = `${site.url}/feeds/1?x=1`;
    site.content = ['{\n  "a": 1\n}\n', 'application/feed+json; charset=utf-8'];
    expect(await ask({ mode: 'publish', topic: undefined, url: topic })).toBe(204);
    expect(site.asked).toEqual([]);
    site.subscribers = subscriber.port;
    await subscribe({ topic, callback: site.proxied('/callback') });
    await ask({ mode: 'publish', topic: undefined, url: topic });
    await until(() => subscriber.deliveries.length === 1);
    expect(site.asked).toEqual(['/feeds/1?x=1']);
    const [delivery] = subscriber.deliveries;
    expect([delivery!.body.toString(), delivery!.headers['content-type']]).toEqual(site.content);
    expect(delivery!.links.get('self')).toBe(topic);
    // What has not changed is not delivered, and what has is; both no more often than the interval allows.
    await ask({ mode: 'publish', topic });
    await until(() => site.asked.length === 2);
    site.content = ['<feed/>', 'application/atom+xml'];
    await Promise.all([ask({ mode: 'publish', topic }), ask({ mode: 'publish', topic })]);
    await until(() => subscriber.deliveries.length === 2);
    expect(subscriber.deliveries[1]!.body.toString()).toBe('<feed/>');
    expect(site.asked.length).toBe(3);
  });
});

/** A site with feeds; what is asked of it below `/callback` it passes on, so that one port is enough. */
async function publisherSite() {
  const site = {
    url: '',
    port: 0,
    content: ['', 'text/plain'] as [string, string],
    asked: [] as string[],
    subscribers: 0,
    proxied: (path: string): string => site.url + path,
  };
  const server = createServer((request, response) => {
    const { url = '', method = 'GET' } = request;
    if (url.startsWith('/feeds')) {
      site.asked.push(url);
      response.writeHead(200, { 'Content-Type': site.content[1] }).end(site.content[0]);
      return;
    }
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const headers = Object.fromEntries(
        ['content-type', 'link', 'x-hub-signature'].flatMap((name) =>
          typeof request.headers[name] === 'string' ? [[name, request.headers[name]]] : [],
        ),
      );
      void fetch(`http://127.0.0.1:${site.subscribers}${url}`, {
        method,
        headers,
        ...(method === 'POST' && { body: Buffer.concat(pieces) }),
      }).then(async (answer) => response.writeHead(answer.status).end(await answer.text()));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  site.port = (server.address() as AddressInfo).port;
  site.url = `http://127.0.0.1:${site.port}`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return site;
}

describe('a hub that was away', () => {
  it('goes on with the subscriptions that it had', async () => {
    const { subscriber, publish } = await comeBack((world) => world.subscribe({ secret: 'kept' }));
    await publish('news.world', '1', JSON_TYPE);
    await until(() => subscriber.deliveries.length === 1);
    expect(isAuthentic(subscriber.deliveries[0]!, 'kept')).toBe(true);
  });

  it('tells those who may not any more, and forgets them', async () => {
    const { subscriber, kept } = await comeBack((world) => world.subscribe(), { rules: [] });
    await until(() => subscriber.denials.length === 1);
    expect(subscriber.denials[0]).toMatchObject({ reason: 'This topic is not public.' });
    expect(await kept()).toEqual([]);
  });
});

/** A hub that has gone, and another one on its folder. */
async function comeBack(before: (world: WebSubWorld) => Promise<void>, settings: object = {}): Promise<WebSubWorld> {
  const data = await mkdtemp(join(tmpdir(), 'polycast-websub-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  const first = await webSubWorld({ data });
  await before(first);
  await first.hub.close();
  return webSubWorld({ data, ...settings }, 1, first);
}
