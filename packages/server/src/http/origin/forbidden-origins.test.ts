import { describe, expect, test } from 'vitest';
import { openAuthenticatedHub, type AuthenticatedHub } from '../../testing/authenticated-hub.ts';

const FOREIGN = { Origin: 'https://evil.example' };

/** PROTOCOL.md section 13.7. */
describe('a page of a forbidden origin', () => {
  test.each([
    ['GET', '/v1/events?channel=news.a'],
    ['GET', '/v1/events?channel=news.a&wait=20'],
    ['HEAD', '/v1/events?channel=news.a'],
    ['POST', '/v1/events'],
    ['GET', '/v1/channels/news.a'],
    ['GET', '/v1/keys'],
    ['DELETE', '/v1/keys/abc'],
    ['PATCH', '/v1/subscriptions/sub_0'],
    ['GET', '/v1/nothing-of-the-kind'],
    ['GET', '/metrics'],
    ['GET', '/healthz'],
  ])('%s %s is refused alike, with any credentials or none', async (method, path) => {
    const hub = await openAuthenticatedHub({ allowedOrigins: ['https://shop.example'] });
    const ask = async (headers: Record<string, string>): Promise<unknown> => {
      const answer = await fetch(hub.url + path, { method, headers: { ...headers, ...FOREIGN } });
      const { 'access-control-allow-origin': allowed, vary } = Object.fromEntries(answer.headers);
      return { status: answer.status, text: await answer.text(), allowed, vary };
    };
    const anonymous = await ask({});
    expect(anonymous).toMatchObject({ status: 403, allowed: FOREIGN.Origin, vary: expect.stringContaining('Origin') });
    if (method !== 'HEAD') expect(anonymous).toMatchObject({ text: expect.stringContaining('origin_not_allowed') });
    for (const token of [hub.token('ann'), 'wrong']) {
      expect(await ask({ Authorization: `Bearer ${token}` })).toEqual(anonymous);
      expect(await ask({ Cookie: `session=${token}` })).toEqual(anonymous);
    }
  });

  test.each([
    ['null', /file or a sandboxed frame.*allowedOrigins.*"localPages: files"/],
    ['https://evil.example', /allowedOrigins does not contain https:\/\/evil\.example\./],
  ])('of %s reads which setting allows it', async (origin, detail) => {
    const hub = await openAuthenticatedHub({ allowedOrigins: ['https://shop.example'] });
    const answer = await fetch(`${hub.url}/v1/events?channel=news.a`, { headers: { Origin: origin } });
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
    expect(await answer.json()).toMatchObject({ code: 'origin_not_allowed', detail: expect.stringMatching(detail) });
  });

  test('may send a preflight, without cookies, and its request is refused', async () => {
    const hub = await openAuthenticatedHub();
    const asked = { ...FOREIGN, 'Access-Control-Request-Method': 'POST' };
    const preflight = await fetch(`${hub.url}/v1/events`, { method: 'OPTIONS', headers: asked });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(FOREIGN.Origin);
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
  });

  test.each(['/client.js', '/client/tabs.js', '/client/presence.js', '/client/outbox.js'])(
    'may load %s',
    async (path) => {
      const hub: AuthenticatedHub = await openAuthenticatedHub();
      const answer = await fetch(hub.url + path, { headers: FOREIGN });
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
      expect(answer.status).not.toBe(403);
    },
  );
});

test('an allowed page may read every answer, and a request without Origin is unaffected', async () => {
  const hub = await openAuthenticatedHub({ allowedOrigins: ['https://shop.example'] });
  const friend = await fetch(`${hub.url}/v1/nothing-of-the-kind`, { headers: { Origin: 'https://shop.example' } });
  expect([friend.status, friend.headers.get('access-control-allow-origin')]).toEqual([404, 'https://shop.example']);
  expect((await fetch(`${hub.url}/healthz`)).headers.get('access-control-allow-origin')).toBeNull();
});
