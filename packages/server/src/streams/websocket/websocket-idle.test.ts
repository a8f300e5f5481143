import { describe, expect, test, vi } from 'vitest';
import { openAuthenticatedHub, sessionCount } from '../../testing/authenticated-hub.ts';

const QUICK = { limits: { webSocketEntryTimeoutMs: 5000 } };
const IDLE = { code: 4408, reason: 'idle or not reading for too long' };

describe('an anonymous WebSocket without a channel', () => {
  test('is closed after its timeout, whatever other operations it sends', async () => {
    // Two seconds: enough for the requests meanwhile, even on a busy machine.
    const hub = await openAuthenticatedHub(QUICK, 2.5);
    const [silent, pinging] = [hub.socket(''), hub.socket('')];
    expect(await pinging.request({ op: 'ping' })).toMatchObject({ ok: true });
    expect(await pinging.request({ op: 'subscribe', channels: ['staff'] })).toMatchObject({ ok: false });
    expect(await silent.waitForClose()).toEqual(IDLE);
    expect(await pinging.waitForClose()).toEqual(IDLE);
    await vi.waitFor(async () => expect(await sessionCount(hub, 'websocket')).toBe(0));
  });

  test('stays open once it has authenticated, has a channel, or publishes', async () => {
    const hub = await openAuthenticatedHub(QUICK, 2.5);
    const idle = hub.socket('');
    const known = hub.socket('');
    const reading = hub.socket('');
    const writing = hub.socket('');
    const whole = hub.socket('channel=news.a');
    expect(await known.request({ op: 'auth', token: hub.token('ann') })).toMatchObject({ ok: true });
    expect(await reading.request({ op: 'subscribe', channels: ['news.a'] })).toMatchObject({ ok: true });
    const publishing = setInterval(() => void writing.request({ op: 'publish', channel: 'wall', data: 1 }), 100);
    try {
      expect(await idle.waitForClose()).toEqual(IDLE);
      for (const each of [known, reading, writing, whole]) {
        expect(each.closed).toBeUndefined();
        expect(await each.request({ op: 'ping' })).toMatchObject({ ok: true });
      }
    } finally {
      clearInterval(publishing);
    }
    // From here on it has no channel again.
    expect(await reading.request({ op: 'unsubscribe', channels: ['news.a'] })).toMatchObject({ channels: [] });
    expect(await reading.waitForClose()).toEqual(IDLE);
    expect(whole.closed).toBeUndefined();
  });

  test('has no timeout without access control', async () => {
    const hub = await openAuthenticatedHub({ ...QUICK, access: 'loopback' });
    const idle = hub.socket('');
    const other = hub.socket('channel=news.a');
    // A minute, by the hub's clock.
    await vi.waitFor(
      () => expect(other.messages.filter(({ op }) => op === 'heartbeat').length).toBeGreaterThan(1),
      8000,
    );
    expect(idle.closed).toBeUndefined();
  });
});

describe('a client with wrong credentials', () => {
  test('is closed after the fifth attempt, with 4401', async () => {
    const hub = await openAuthenticatedHub();
    const socket = hub.socket('channel=news.a');
    for (let time = 0; time < 4; time++)
      expect(await socket.request({ op: 'auth', token: `wrong ${time}` })).toMatchObject({
        error: { code: 'unauthorized' },
      });
    expect(socket.closed).toBeUndefined();
    expect(await socket.request({ op: 'auth', token: hub.token('ann', -10) })).toMatchObject({
      error: { code: 'token_expired' },
    });
    expect(await socket.waitForClose()).toEqual({ code: 4401, reason: 'unauthorized' });
  });

  test('is not, with valid attempts between them', async () => {
    const hub = await openAuthenticatedHub();
    const socket = hub.socket('');
    for (let round = 0; round < 3; round++) {
      for (let time = 0; time < 4; time++)
        expect(await socket.request({ op: 'auth', token: hub.token('bob', -10) })).toMatchObject({ ok: false });
      expect(await socket.request({ op: 'auth', token: hub.token('ann') })).toMatchObject({ ok: true });
    }
    expect(socket.closed).toBeUndefined();
  });

  test('gains nothing by concurrent attempts', async () => {
    const hub = await openAuthenticatedHub();
    const socket = hub.socket('');
    await socket.waitForMessage({ op: 'ready' });
    const before = await refusedTokens(hub.url);
    const [head, claims] = hub.token('ann').split('.');
    for (let index = 0; index < 50; index++)
      socket.send({ op: 'auth', token: `${head}.${claims}.${Buffer.alloc(32, index).toString('base64url')}` });
    expect(await socket.waitForClose()).toEqual({ code: 4401, reason: 'unauthorized' });
    expect((await refusedTokens(hub.url)) - before).toBeLessThanOrEqual(5);
  });
});

async function refusedTokens(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^polycast_token_checks_total\{outcome="refused"\} (\d+)$/m.exec(text)?.[1]);
}
