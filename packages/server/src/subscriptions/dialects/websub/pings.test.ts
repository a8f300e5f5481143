import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Delivery } from '../../../testing/websub-subscriber.ts';
import { waitUntil, openWebSubWorld } from '../../../testing/websub-world.ts';

describe("publishers' pings", () => {
  it('are accepted for channels of this hub, whose events are delivered without them', async () => {
    const { ask, topic } = await openWebSubWorld();
    expect(await ask({ mode: 'publish', topic: undefined, url: topic('news.world') })).toBe(204);
    expect(await ask({ mode: 'publish', topic: topic('news.world') })).toBe(204);
    expect(await ask({ mode: 'publish', topic: undefined })).toBe(400);
    expect(await ask({ mode: 'publish', topic: 'https://elsewhere.example/feed' })).toBe(400);
  });

  it('that are refused name the wrong parameter', async () => {
    const { hub } = await openWebSubWorld();
    for (const name of ['hub.url', 'hub.topic'])
      for (const topic of ['https://elsewhere.example/feed', 'feed']) {
        const body = new URLSearchParams([
          ['hub.mode', 'publish'],
          [name, topic],
        ]);
        const answer = await fetch(`${hub.url}/v1/websub`, { method: 'POST', body });
        expect(await answer.json()).toMatchObject({ code: 'invalid_body', member: name });
      }
  });

  it('fetch and deliver external documents byte for byte, if a setting names them and they have subscribers', async () => {
    const site = await publisherSite();
    const { subscriber, subscribe, ask } = await openWebSubWorld(
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
    await waitUntil(() => subscriber.deliveries.length === 1);
    expect(site.asked).toEqual(['/feeds/1?x=1']);
    const delivery = first(subscriber.deliveries);
    expect([delivery.body.toString(), delivery.headers['content-type']]).toEqual(site.content);
    expect(delivery.links.get('self')).toBe(topic);
    // Unchanged content is not delivered, and changed content is. Both are fetched no more often
    // than the interval allows.
    await ask({ mode: 'publish', topic });
    await waitUntil(() => site.asked.length === 2);
    site.content = ['<feed/>', 'application/atom+xml'];
    await Promise.all([ask({ mode: 'publish', topic }), ask({ mode: 'publish', topic })]);
    await waitUntil(() => subscriber.deliveries.length === 2);
    expect(subscriber.deliveries[1]?.body.toString()).toBe('<feed/>');
    expect(site.asked.length).toBe(3);
  });
});

describe('a topic of another site', () => {
  it('is not fetched from a forbidden destination, although a setting names it, and no redirect is followed', async () => {
    const inside = await publisherSite();
    const site = await publisherSite();
    const { subscriber, subscribe, ask, publish, topic } = await openWebSubWorld({
      websub: { topics: [`${inside.url}/feeds`, `${site.url}/feeds`], fetchIntervalSeconds: 1 },
      outgoing: { allow: [`127.0.0.1:${site.port}`] },
    });
    site.subscribers = subscriber.port;
    const callback = site.proxied('/callback');
    const topics = [`${inside.url}/feeds/secret`, `${site.url}/feeds/moved`, `${site.url}/feeds/gone`];
    for (const each of topics) await subscribe({ topic: each, callback });
    site.moved = `${inside.url}/feeds/secret`;
    for (const each of topics) expect(await ask({ mode: 'publish', topic: each })).toBe(204);
    await waitUntil(() => site.asked.length === 2);
    await subscribe({ topic: topic('news.world'), callback });
    await publish('news.world', '1', 'application/json');
    await waitUntil(() => subscriber.deliveries.length > 0);
    expect(subscriber.deliveries.map(({ body }) => body.toString())).toEqual(['1']);
    expect(inside.asked).toEqual([]);
  });

  it('is denied once no setting names it any more, and is not treated as a channel', async () => {
    const site = await publisherSite();
    const { ask, topic, subscriber } = await openWebSubWorld({ access: 'open' });
    expect(await ask({ topic: `${site.url}/feeds/1` })).toBe(400);
    expect(await ask({ topic: topic('polycast.websub.x') })).toBe(202);
    await waitUntil(() => subscriber.denials.length === 1);
    expect(subscriber.denials[0]).toMatchObject({ reason: 'The hub does not serve this topic.' });
  });
});

/** A site with feeds. It forwards requests below `/callback`, so that one port is enough. */
async function publisherSite() {
  const site = {
    url: '',
    port: 0,
    content: ['', 'text/plain'] as [string, string],
    asked: [] as string[],
    subscribers: 0,
    moved: '',
    proxied: (path: string): string => site.url + path,
  };
  const server = createServer((request, response) => {
    const { url = '', method = 'GET' } = request;
    if (url.startsWith('/feeds')) {
      site.asked.push(url);
      if (url.endsWith('/moved')) return void response.writeHead(302, { Location: site.moved }).end('moved');
      if (url.endsWith('/gone')) return void response.writeHead(410).end('gone');
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

function first(deliveries: readonly Delivery[]): Delivery {
  return deliveries[0] as Delivery;
}
