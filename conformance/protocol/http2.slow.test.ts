import { execFileSync, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startUsersHub } from '../identity/kit/users-hub.ts';
import { selfSigned } from '../kit/certificates.ts';
import { call, publish } from '../kit/http.ts';
import { Http2Client } from '../kit/wire/http2-client.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/**
 * HTTP/2 with real clients (PROTOCOL.md section 13.8): the same answers as over HTTP/1.1, many on
 * one connection.
 */
/** Longer than a busy machine pauses between two lines of a body. */
const LIMIT_MS = 8000;
const SETTINGS = {
  tls: selfSigned(),
  delivery: { heartbeatMs: 1000 },
  drain: { timeMs: 300 },
  limits: { bodyTimeoutMs: LIMIT_MS, bodyBytesMax: 1_000_000 },
};
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess({ config: SETTINGS });
});
afterAll(() => hub.end('SIGKILL'));

function client(url = hub.url): Http2Client {
  const each = new Http2Client(url);
  onTestFinished(() => each.close());
  return each;
}

describe('over one connection', () => {
  test('90 event streams, long polls and publishes get the same events, with the same bytes as over HTTP/1.1', async () => {
    const one = client();
    const streams = Array.from({ length: 90 }, (_, index) => one.listen(`/v1/events?channel=many.${index % 3}`));
    await Promise.all(streams.map((stream) => stream.receives('polycast.ready')));
    const waiting = one.ask('/v1/events?channel=many.0&wait=20');
    for (let n = 0; n < 60; n++) await one.publish(`many.${n % 3}`, { n, text: 'é'.repeat(n * 10) });
    await until('all has come', () => streams.every(({ events }) => events.length === 20));
    for (const [index, { events }] of streams.entries()) {
      const { text } = await call(`${hub.url}/v1/events?channel=many.${index % 3}&after=earliest`);
      expect(text.slice('{"events":['.length, text.indexOf('],"cursor"'))).toBe(events.join());
    }
    expect(JSON.parse((await waiting).text).events).toHaveLength(1);
  });

  test('short polls, channels, HEAD and refusals are answered as over HTTP/1.1', async () => {
    const one = client();
    await publish(hub.url, { channel: 'plain', data: 1 });
    for (const [path, headers] of [
      ['/v1/events?channel=plain&after=earliest', {}],
      ['/v1/channels/plain', {}],
      ['/v1/channels/plain/history', {}],
      ['/v1/channels/empty', {}],
      ['/v1/events?channel=!', {}],
      ['/v1/events', { accept: 'image/png' }],
      ['/nowhere', {}],
    ] as const) {
      const [two, plain] = [await one.ask(path, headers), await call(`${hub.url}${path}`, { headers })];
      expect([path, two.status, two.text]).toEqual([path, plain.status, plain.text]);
      for (const name of Object.keys(plain.headers))
        if (!['connection', 'keep-alive', 'date'].includes(name))
          expect([path, name, two.headers[name]]).toEqual([path, name, plain.headers[name]]);
    }
    const { status, headers } = await one.ask('/v1/events?channel=plain&after=earliest');
    const etag = String(headers.etag);
    expect(status).toBe(200);
    expect(await one.ask('/v1/events?channel=plain&after=earliest', { 'if-none-match': etag })).toMatchObject({
      status: 304,
      text: '',
    });
  });

  test('many concurrent large answers arrive complete, and delay no small one', async () => {
    const one = client();
    const text = 'long é '.repeat(28_000);
    await one.publish('long', text);
    const answers = Array.from({ length: 40 }, () => one.ask('/v1/channels/long'));
    expect((await one.ask('/healthz')).status).toBe(200);
    for (const answer of await Promise.all(answers)) {
      expect(answer.status).toBe(200);
      expect(answer.text).toBe(JSON.stringify(text));
    }
  });

  test('a stream that its client cancels ends, and the others continue', async () => {
    const one = client();
    const [left, right] = [one.listen('/v1/events?channel=pair'), one.listen('/v1/events?channel=pair')] as const;
    await Promise.all([left.receives('ready'), right.receives('ready')]);
    const sessions = (): Promise<number> => figure('polycast_sessions{transport="sse"}');
    await until('those of other tests are gone', async () => (await sessions()) === 2);
    left.stream.close(8);
    await until('it is gone', async () => (await sessions()) === 1);
    await one.publish('pair', 'still here');
    await right.receives('still here');
    await right.receives('\n:\n');
  });

  test('a stream with Last-Event-ID continues after that event', async () => {
    const one = client();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await publish(hub.url, { channel: 'resumed', data: n })).id);
    const stream = one.listen('/v1/events?channel=resumed', { 'last-event-id': ids[1] as string });
    await until('the rest comes', () => stream.events.length === 3);
    expect(stream.events.map((event) => JSON.parse(event).data)).toEqual([2, 3, 4]);
  });

  test('a reader that pauses for a while receives everything when it continues', async () => {
    const one = client();
    const slow = one.listen('/v1/events?channel=slow');
    await slow.receives('ready');
    slow.stream.pause();
    for (let n = 0; n < 100; n++) await publish(hub.url, { channel: 'slow', data: { n, text: 'x'.repeat(20_000) } });
    expect((await one.ask('/healthz')).status).toBe(200);
    slow.stream.resume();
    await until('all has come', () => slow.events.length === 100);
    expect(slow.events.map((event) => JSON.parse(event).data.n)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });
});

describe('bodies', () => {
  test('lines are published as they arrive', async () => {
    const posting = client().post('/v1/events', { 'content-type': 'application/x-ndjson' });
    for (let sent = 1; sent <= 3; sent++) {
      posting.stream.write(`{"channel":"lines","data":${sent}}\n`);
      await until('its result comes', () => posting.text.split('"id"').length - 1 === sent);
    }
    posting.stream.end();
    expect((await posting.completed()).status).toBe(200);
  });

  test('one that is too large, or incomplete, is refused, and its connection stays open', async () => {
    const one = client();
    const large = await one.ask('/v1/events', { 'content-type': 'application/json' }, 'x'.repeat(2_000_000));
    expect([large.status, JSON.parse(large.text).code]).toEqual([413, 'body_too_large']);
    const endless = one.post('/v1/channels/a/events', { 'content-type': 'text/plain' });
    endless.stream.write('x');
    expect(await endless.completed()).toMatchObject({ status: 408 });
    expect((await one.ask('/healthz')).status).toBe(200);
  });
});

describe('curl', () => {
  test('publishes and reads a stream', async () => {
    const listening = spawn('curl', [
      '-skN',
      '--http2',
      '-D',
      '-',
      '-H',
      'Accept: text/event-stream',
      `${hub.url}/v1/events?channel=curl`,
    ]);
    onTestFinished(() => void listening.kill());
    let text = '';
    listening.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    await until('it listens', () => text.includes('polycast.ready'));
    expect(text).toMatch(/^HTTP\/2 200/);
    const body = '{"channel":"curl","data":"é"}';
    const options = ['-sk', '--http2', '-w', ' %{http_version} %{http_code}', '-H', 'Content-Type: application/json'];
    const answer = execFileSync('curl', [...options, '-d', body, `${hub.url}/v1/events`], { encoding: 'utf8' });
    expect(answer).toMatch(/^\{"id":"[^"]+","channel":"curl".* 2 201$/);
    await until('it is heard', () => text.includes('"data":"é"'));
  });

  test('speaks HTTP/1.1 where it is asked to', () => {
    const options = ['-sk', '--http1.1', '-w', ' %{http_version}'];
    expect(execFileSync('curl', [...options, `${hub.url}/healthz`], { encoding: 'utf8' })).toBe('{"status":"ok"} 1.1');
  });
});

describe('the connection', () => {
  test('receives the drain announcement: streams a message, waiting polls their answer', async () => {
    const draining = await startHubProcess({ config: SETTINGS });
    onTestFinished(() => void draining.end('SIGKILL'));
    const one = client(draining.url);
    const stream = one.listen('/v1/events?channel=a');
    await stream.receives('ready');
    const polling = one.ask('/v1/events?channel=a&wait=30');
    await until('it waits', async () => (await figure('polycast_http2_streams', draining)) === 2);
    expect(await draining.end('SIGTERM')).toBe(0);
    // The end of the process may be noticed before its last bytes.
    await until('the connection is closed', () => one.closed && stream.closed);
    expect(one.goAway).toBe(0);
    expect(stream.text).toContain('event: polycast.draining');
    expect(stream.ended).toBe(true);
    expect((await polling).status).toBe(200);
  });

  test('is not offered if it is disabled', async () => {
    const plain = await startHubProcess({ config: { ...SETTINGS, tls: { ...SETTINGS.tls, http2: false } } });
    onTestFinished(() => void plain.end('SIGKILL'));
    const options = ['-sk', '--http2', '-w', ' %{http_version}'];
    expect(execFileSync('curl', [...options, `${plain.url}/healthz`], { encoding: 'utf8' })).toBe(
      '{"status":"ok"} 1.1',
    );
  });

  test('streams of all connections together are bounded', async () => {
    const small = await startHubProcess({ config: { ...SETTINGS, limits: { connectionsMax: 20 } } });
    onTestFinished(() => void small.end('SIGKILL'));
    const one = client(small.url);
    const streams = Array.from({ length: 25 }, () => one.listen('/v1/events?channel=a'));
    await until('all are answered', () => streams.every(({ status }) => status > 0));
    expect(streams.map(({ status }) => status).toSorted()).toEqual([
      ...Array.from({ length: 20 }, () => 200),
      ...Array.from({ length: 5 }, () => 503),
    ]);
  });
});

test("a session over HTTP/2 has its user and the connection's address, and is counted by that address", async () => {
  const users = await startUsersHub({
    tls: SETTINGS.tls,
    rules: [{ pattern: 'news', subscribe: ['users'] }],
    limits: { connectionsPerAddressMax: 3 },
  });
  onTestFinished(() => users.end());
  const one = client(users.url);
  const authorization = { authorization: `Bearer ${users.token('ann')}` };
  const streams = Array.from({ length: 3 }, () => one.listen('/v1/events?channel=news', authorization));
  await Promise.all(streams.map((stream) => stream.receives('polycast.ready')));
  const { sessions } = (await users.request('GET', '/v1/users/ann')).json<{
    readonly sessions: readonly { readonly transport: string; readonly address: string }[];
  }>();
  expect(sessions.map(({ transport, address }) => `${transport} ${address}`)).toEqual(
    Array.from({ length: 3 }, () => 'sse 127.0.0.1'),
  );
  const beyond = await one.listen('/v1/events?channel=news', authorization).completed();
  expect([beyond.status, JSON.parse(beyond.text).code]).toEqual([429, 'too_many_connections']);
  streams[0]?.stream.close(8);
  await until('there is room again', async () => {
    const next = one.listen('/v1/events?channel=news', authorization);
    await until('it is answered', () => next.status > 0);
    return next.status === 200;
  });
});

async function figure(name: string, of: HubProcess = hub): Promise<number> {
  const { text } = await call(`${of.url}/metrics`);
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}
