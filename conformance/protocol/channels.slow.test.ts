import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish, publishAll, type Reply } from '../kit/http.ts';
import { rawSocket } from '../kit/wire/raw-socket.ts';
import { eventsOf } from '../kit/wire/raw-events.ts';
import { until } from '../kit/wait.ts';

let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess();
});
afterAll(() => hub.end('SIGKILL'));

describe('blocking queries (PROTOCOL.md section 10.1)', () => {
  test('are answered immediately when there is a newer event, else when one arrives', async () => {
    const first = await publish(hub.url, { channel: 'price', data: 1 });
    const second = await publish(hub.url, { channel: 'price', data: 2 });
    expect((await get('/v1/channels/price?wait=30', { 'If-None-Match': `"${first.id}"` })).text).toBe('2');
    const waiting = Array.from({ length: 20 }, () =>
      get('/v1/channels/price?wait=30', { 'If-None-Match': `"${second.id}"` }),
    );
    await until('all wait', async () =>
      / 20$/m.test(/polycast_sessions{transport="long-poll"}.*/.exec((await get('/metrics')).text)?.[0] ?? ''),
    );
    // Events of other channels wake no reader.
    await publish(hub.url, { channel: 'prices', data: 0 });
    const third = await publish(hub.url, { channel: 'price', data: 3 });
    for (const reply of await Promise.all(waiting))
      expect([reply.status, reply.text, reply.headers.etag]).toEqual([200, '3', `"${third.id}"`]);
  });

  test('answers 304 after the wait, and 404 for an empty channel', async () => {
    const { id } = await publish(hub.url, { channel: 'still', data: 1 });
    const reply = await get('/v1/channels/still?wait=1', { 'If-None-Match': `"${id}"` });
    expect([reply.status, reply.text, reply.headers.etag]).toEqual([304, '', `"${id}"`]);
    expect((await get('/v1/channels/nothing')).json()).toMatchObject({ status: 404, code: 'channel_empty' });
  });

  test('a client that disconnects leaves nothing behind', async () => {
    const { id } = await publish(hub.url, { channel: 'left', data: 1 });
    const raws = await Promise.all(Array.from({ length: 20 }, () => rawSocket(hub.url)));
    for (const raw of raws)
      raw.send(`GET /v1/channels/left?wait=60 HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: "${id}"\r\n\r\n`);
    const longPolls = async (): Promise<number> =>
      Number(/polycast_sessions{transport="long-poll"} (\d+)/.exec((await get('/metrics')).text)?.[1]);
    await until('all wait', async () => (await longPolls()) === 20);
    for (const raw of raws) raw.destroy();
    await until('none waits', async () => (await longPolls()) === 0);
    expect(Number(/polycast_readers (\d+)/.exec((await get('/metrics')).text)?.[1])).toBe(0);
  });
});

describe('history (section 10.2)', () => {
  test.each([1, 7, 10, 100])('pages of %d, in both directions, contain every event and end in null', async (limit) => {
    const channel = `history.${limit}`;
    const ids = (
      await publishAll(
        hub.url,
        Array.from({ length: 40 }, (_, n) => ({ channel: n % 2 === 0 ? channel : 'between', data: n })),
      )
    )
      .filter((each) => each.channel === channel)
      .map(({ id }) => id);
    const back: string[] = [];
    for (let target: string | null = `?limit=${limit}`; target !== null;) {
      const page: Page = await history(channel, target);
      back.unshift(...page.ids);
      expect(page.ids.length).toBeLessThanOrEqual(limit);
      target = page.previous === null ? null : `?limit=${limit}&before=${page.previous}`;
    }
    expect(back).toEqual(ids);
    const forth: string[] = [];
    for (let target: string | null = `?limit=${limit}&after=earliest`; target !== null;) {
      const page: Page = await history(channel, target);
      forth.push(...page.ids);
      target = page.next === null ? null : `?limit=${limit}&after=${page.next}`;
    }
    expect(forth).toEqual(ids);
  });

  test('a page names its neighbours in Link and in the body', async () => {
    const ids = (
      await publishAll(
        hub.url,
        Array.from({ length: 9 }, (_, data) => ({ channel: 'linked', data })),
      )
    ).map(({ id }) => id);
    const newest = await history('linked', '?limit=3');
    expect([newest.ids, newest.next]).toEqual([ids.slice(6), null]);
    const middle = await history('linked', `?limit=3&before=${newest.previous}`);
    expect(middle.ids).toEqual(ids.slice(3, 6));
    expect((await history('linked', `?limit=3&after=${middle.next}`)).ids).toEqual(ids.slice(6));
    expect((await history('linked', `?limit=3&before=${middle.previous}`)).ids).toEqual(ids.slice(0, 3));
    expect(middle.link).toBe(
      `</v1/channels/linked/history?limit=3&before=${middle.previous}>; rel="prev", </v1/channels/linked/history?limit=3&after=${middle.next}>; rel="next"`,
    );
  });
});

describe('compression, HEAD and OPTIONS (sections 4.3 and 5.5)', () => {
  const decode = { br: brotliDecompressSync, gzip: gunzipSync };
  beforeAll(() =>
    publishAll(
      hub.url,
      Array.from({ length: 100 }, () => ({ channel: 'large', data: 'x'.repeat(100) })),
    ).then(() => undefined),
  );

  test.each(['br', 'gzip'] as const)(
    'large answers have the coding %s for clients that accept it',
    async (encoding) => {
      const plain = await get('/v1/events?channel=large&after=earliest');
      expect(plain.headers['content-encoding']).toBeUndefined();
      expect(plain.headers.vary).toContain('Accept-Encoding');
      const reply = await get('/v1/events?channel=large&after=earliest', { 'Accept-Encoding': encoding });
      expect(reply.headers['content-encoding']).toBe(encoding);
      expect(decode[encoding](reply.bytes).toString()).toBe(plain.text);
      expect(reply.bytes.length).toBeLessThan(plain.bytes.length / 4);
      const page = await get('/v1/channels/large/history', { 'Accept-Encoding': encoding });
      expect(JSON.parse(decode[encoding](page.bytes).toString())).toHaveProperty('events');
    },
  );

  test('small answers, and clients without a common coding, get no compression', async () => {
    expect(
      (await get('/v1/events?channel=none', { 'Accept-Encoding': 'br' })).headers['content-encoding'],
    ).toBeUndefined();
    for (const accepted of ['identity', 'br;q=0, gzip;q=0.0', 'zstd']) {
      expect(
        (await get('/v1/events?channel=large&after=earliest', { 'Accept-Encoding': accepted })).headers[
          'content-encoding'
        ],
      ).toBeUndefined();
    }
  });

  test.each([
    '/v1/events?channel=large&after=earliest',
    '/v1/channels/large',
    '/v1/channels/large/history',
    '/healthz',
    '/readyz',
  ])('HEAD %s is GET without the body', async (target) => {
    const [head, got] = [await call(hub.url + target, { method: 'HEAD' }), await get(target)];
    expect([
      head.status,
      head.bytes.length,
      head.headers['content-length'],
      head.headers['content-type'],
      head.headers.etag,
    ]).toEqual([got.status, 0, got.headers['content-length'], got.headers['content-type'], got.headers.etag]);
  });

  test('HEAD never waits and never streams', async () => {
    const head = await call(`${hub.url}/v1/events?channel=none&wait=60`, {
      method: 'HEAD',
      headers: { Accept: 'text/event-stream' },
      timeoutMs: 30_000,
    });
    expect([head.status, head.headers['content-type']]).toEqual([200, 'application/json']);
  });

  test('OPTIONS lists the allowed methods, and answers preflights with what a page may send', async () => {
    const options = await call(`${hub.url}/v1/events`, { method: 'OPTIONS' });
    expect([options.status, options.headers.allow]).toEqual([204, 'GET, HEAD, POST, OPTIONS']);
    expect((await call(`${hub.url}/nowhere`, { method: 'OPTIONS' })).status).toBe(404);
  });
});

interface Page {
  readonly ids: readonly string[];
  readonly previous: string | null;
  readonly next: string | null;
  readonly link: string | undefined;
}

async function history(channel: string, target: string): Promise<Page> {
  const reply = await get(`/v1/channels/${channel}/history${target}`);
  const { previous, next } = reply.json<{ previous: string | null; next: string | null }>();
  return {
    ids: eventsOf(reply.text).map(({ id }) => id),
    previous,
    next,
    link: reply.headers.link as string | undefined,
  };
}

function get(target: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  return call(hub.url + target, { headers });
}
