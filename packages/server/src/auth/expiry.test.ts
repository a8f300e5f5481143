import { describe, expect, test, vi } from 'vitest';
import { openAuthenticatedHub } from '../testing/authenticated-hub.ts';

/** Slow enough that a busy machine receives each message in time. */
const SPEED = 8;
/**
 * Slow enough that a minute, the longest wait of a poll, is not over before a busy machine responds
 * early.
 */
const POLL_SPEED = 4;

describe('when credentials expire', () => {
  test('an event stream receives a warning and a reason, and ends; the next request is refused', async () => {
    const hub = await openAuthenticatedHub({}, SPEED);
    const token = hub.token('ann', 60);
    const stream = await hub.follow('channel=news.a', token);
    await stream.waitForText('event: polycast.expiring\ndata: {"inMs":');
    expect(stream.text).not.toContain('polycast.closing');
    await stream.waitForEnd();
    expect(stream.text).toMatch(/event: polycast\.closing\ndata: \{"code":"token_expired"\}\n\n$/);
    const again = await fetch(`${hub.url}/v1/events?channel=news.a&token=${token}`);
    expect([again.status, (await again.json()) as object]).toMatchObject([401, { code: 'token_expired' }]);
  });

  test('a WebSocket is warned, and closed with 4401', async () => {
    const hub = await openAuthenticatedHub({}, SPEED);
    const socket = hub.socket(`channel=news.a&token=${hub.token('ann', 60)}`);
    const { inMs } = await socket.waitForMessage({ op: 'expiring' });
    // A quarter of the lifetime, less than the default of thirty seconds.
    expect(inMs).toBeGreaterThan(0);
    expect(inMs).toBeLessThan(16_000);
    expect(await socket.waitForClose()).toEqual({ code: 4401, reason: 'token_expired' });
  });

  test('a long poll is answered early, with its cursor', async () => {
    const hub = await openAuthenticatedHub({}, POLL_SPEED);
    const token = hub.token('ann', 10);
    const from = performance.now();
    const answer = await fetch(`${hub.url}/v1/events?channel=news.a&wait=60&token=${token}`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      events: [],
      cursor: expect.stringMatching(/^[0-9a-z-]{22}$/) as string,
    });
    expect(performance.now() - from).toBeLessThan(60_000 / POLL_SPEED);
    await vi.waitFor(async () => {
      const again = await fetch(`${hub.url}/v1/events?channel=news.a&wait=60&token=${token}`);
      expect(again.status).toBe(401);
    });
  });

  test('a WebSocket that renews them in time stays open', async () => {
    const hub = await openAuthenticatedHub({}, SPEED);
    const socket = hub.socket(`channel=news.a&token=${hub.token('ann', 60)}`);
    await socket.waitForMessage({ op: 'expiring' });
    const answer = await socket.request({ op: 'auth', token: hub.token('ann', 4000) });
    expect(answer).toMatchObject({ ok: true, channels: ['news.a'] });
    expect(answer['expiresInMs']).toBeGreaterThan(3_900_000);
    // Long after the first token has expired.
    await vi.waitFor(
      () => expect(socket.messages.filter(({ op }) => op === 'heartbeat').length).toBeGreaterThan(1),
      10_000,
    );
    expect(socket.closed).toBeUndefined();
  });
});
