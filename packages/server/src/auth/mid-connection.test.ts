import { describe, expect, test, vi } from 'vitest';
import { openAuthenticatedHub, sessionCount } from '../testing/authenticated-hub.ts';

describe('auth in mid-connection', () => {
  test('an anonymous client authenticates, and then subscribes', async () => {
    const hub = await openAuthenticatedHub();
    const socket = hub.socket('');
    expect(await socket.request({ op: 'subscribe', channels: ['inbox.ann'] })).toMatchObject({
      ok: false,
      error: { code: 'unauthorized' },
    });
    expect(await socket.request({ op: 'subscribe', channels: ['@me'] })).toMatchObject({
      error: { code: 'unauthorized' },
    });
    expect(await socket.request({ op: 'auth', token: hub.token('ann') })).toMatchObject({ ok: true, channels: [] });
    expect(await socket.request({ op: 'subscribe', channels: ['inbox.ann', '@me'] })).toMatchObject({
      ok: true,
      channels: ['inbox.ann', 'polycast.private.ann'],
    });
    await hub.publish('inbox.ann', 1);
    await hub.publish('polycast.private.ann', 2);
    await socket.waitForMessage({ channel: 'polycast.private.ann' });
    expect(socket.events.map(({ data }) => data)).toEqual([1, 2]);
  });

  test('another user, or invalid credentials, change nothing', async () => {
    const hub = await openAuthenticatedHub();
    const socket = hub.socket(`channel=inbox.ann&token=${hub.token('ann')}`);
    expect(await socket.request({ op: 'auth', token: hub.token('bob') })).toMatchObject({
      error: { code: 'forbidden' },
    });
    expect(await socket.request({ op: 'auth', token: 'x' })).toMatchObject({ error: { code: 'unauthorized' } });
    expect(await socket.request({ op: 'auth', token: hub.token('ann', -100) })).toMatchObject({
      error: { code: 'token_expired' },
    });
    await hub.publish('inbox.ann', 1);
    await socket.waitForMessage({ channel: 'inbox.ann' });
  });

  test('if two users authenticate in one write, the connection belongs to the first', async () => {
    const hub = await openAuthenticatedHub();
    const socket = hub.socket('');
    await socket.waitForMessage({ op: 'ready' });
    const answers = await Promise.all(
      ['ann', 'bob'].map((user) => socket.request({ op: 'auth', token: hub.token(user) })),
    );
    expect(answers).toMatchObject([{ ok: true }, { ok: false, error: { code: 'forbidden' } }]);
    expect(await socket.request({ op: 'subscribe', channels: ['@me'] })).toMatchObject({
      channels: ['polycast.private.ann'],
    });
  });

  test('channels that are no longer allowed are removed, and named', async () => {
    const hub = await openAuthenticatedHub();
    const socket = hub.socket(`channel=staff&channel=news.a&token=${hub.token('ann', 3600, { role: 'staff' })}`);
    expect(await socket.request({ op: 'auth', token: hub.token('ann') })).toMatchObject({
      ok: true,
      channels: ['news.a'],
      dropped: ['staff'],
    });
    await hub.publish('staff', 1);
    await hub.publish('news.a', 2);
    await socket.waitForMessage({ channel: 'news.a' });
    expect(socket.events.map(({ data }) => data)).toEqual([2]);
    expect(await socket.request({ op: 'subscribe', channels: ['staff'] })).toMatchObject({
      error: { code: 'forbidden' },
    });
  });
});

describe('a revocation', () => {
  test.each([
    ['user', { user: 'ann' }],
    ['token', { token: 'ann-1' }],
  ])('by %s ends the matching sessions on all transports, and no others', async (_name, revocation) => {
    const hub = await openAuthenticatedHub({}, 5);
    const ann = hub.token('ann', 3600, { jti: 'ann-1' });
    const bob = hub.token('bob', 3600, { jti: 'bob-1' });
    const stream = await hub.follow('channel=news.a', ann);
    const socket = hub.socket(`channel=news.a&token=${ann}`);
    const others = [await hub.follow('channel=news.a', bob), await hub.follow('channel=news.a')];
    const other = hub.socket(`channel=news.a&token=${bob}`);
    await other.waitForMessage({ op: 'ready' });
    await socket.waitForMessage({ op: 'ready' });
    const poll = fetch(`${hub.url}/v1/events?channel=news.a&wait=60&token=${ann}`);
    const held = fetch(`${hub.url}/v1/channels/news.b?wait=60&token=${ann}`);
    await vi.waitFor(async () => expect(await sessionCount(hub, 'long-poll')).toBe(2));
    expect((await hub.administer('POST', '/v1/revocations', revocation)).status).toBeLessThan(300);
    await stream.waitForEnd();
    expect(stream.text).toMatch(/event: polycast\.closing\ndata: \{"code":"unauthorized"\}\n\n$/);
    expect(await socket.waitForClose()).toEqual({ code: 4401, reason: 'unauthorized' });
    expect((await poll).status).toBe(200);
    expect((await held).status).toBe(401);
    await hub.publish('news.a', 1);
    for (const each of others) await each.waitForText('"data":1');
    await other.waitForMessage({ channel: 'news.a' });
    expect((await fetch(`${hub.url}/v1/events?channel=news.a&token=${ann}`)).status).toBe(401);
  });

  test('by session ends that session alone', async () => {
    const hub = await openAuthenticatedHub();
    const sockets = [hub.socket(`channel=news.a`), hub.socket(`channel=news.a&token=${hub.token('ann')}`)];
    const [{ session }, second] = (await Promise.all(
      sockets.map((socket) => socket.waitForMessage({ op: 'ready' })),
    )) as [{ session: string }, { session: string }];
    expect(session).not.toBe(second.session);
    await hub.administer('POST', '/v1/revocations', { session: second.session });
    expect(await sockets[1]?.waitForClose()).toMatchObject({ code: 4401 });
    await hub.publish('news.a', 1);
    await sockets[0]?.waitForMessage({ channel: 'news.a' });
  });
});

test('refuses the lines of an upload that follow it', async () => {
  const hub = await openAuthenticatedHub();
  const lines = new TransformStream<Uint8Array, Uint8Array>();
  const writer = lines.writable.getWriter();
  const write = (data: number): Promise<void> => writer.write(Buffer.from(`{"channel":"chat.a","data":${data}}\n`));
  const answering = fetch(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson', Authorization: `Bearer ${hub.token('ann')}` },
    body: lines.readable,
    duplex: 'half',
  } as RequestInit);
  void write(1);
  const answer = await answering;
  const stream = await hub.follow('channel=chat.a', hub.token('bob'));
  const results = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await results?.read())?.value).toContain('"id"');
  await hub.administer('POST', '/v1/revocations', { user: 'ann' });
  void write(2);
  expect((await results?.read())?.value).toContain('"code":"unauthorized"');
  void writer.close();
  await hub.publish('chat.a', 3);
  await stream.waitForText('"data":3');
  expect(stream.text).not.toContain('"data":2');
});
