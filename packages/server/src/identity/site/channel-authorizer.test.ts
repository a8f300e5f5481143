import { expect, test } from 'vitest';
import { ANONYMOUS, type Principal } from '../../core/access/principal.ts';
import { forget, openSiteKit, refusal } from './testing/kit.ts';

test('a rule may delegate a channel to the site, which is asked about users only', async () => {
  const { backend, site, clock } = await openSiteKit(({ body }) => ({
    allowed: body['channel'] === 'orders.7',
    ttlSeconds: 60,
  }));
  const ada: Principal = { ...ANONYMOUS, kind: 'user', user: '7', claims: { staff: true } };
  const { channelAuthorizer: consent } = site;
  expect(consent.authorize(ANONYMOUS, 'subscribe', 'orders.7')).toBe(false);
  expect(await consent.authorize(ada, 'subscribe', 'orders.7')).toBe(true);
  expect(consent.authorize(ada, 'subscribe', 'orders.7')).toBe(true);
  expect(await consent.authorize(ada, 'subscribe', 'orders.8')).toBe(false);
  expect(consent.authorize(ada, 'subscribe', 'orders.8')).toBe(false);
  expect(await consent.authorize(ada, 'publish', 'orders.7')).toBe(true);
  expect(await consent.authorize({ ...ada, claims: {} }, 'subscribe', 'orders.7')).toBe(true);
  expect(backend.requests.map(({ path, body }) => [path, body])).toEqual([
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.7', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.8', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'publish', channel: 'orders.7', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.7', claims: {} }],
  ]);
  clock.advance(3000);
  await consent.authorize(ada, 'subscribe', 'orders.8');
  expect(backend.requests).toHaveLength(5);
});

test('consent in an outage: a cached consent is valid for the grace period, and without one the answer is unknown', async () => {
  const { backend, site, clock } = await openSiteKit(({ body }) => ({
    allowed: body['channel'] === 'a',
    ttlSeconds: 60,
  }));
  const ada: Principal = { ...ANONYMOUS, kind: 'user', user: '7' };
  await site.channelAuthorizer.authorize(ada, 'subscribe', 'a');
  await site.channelAuthorizer.authorize(ada, 'subscribe', 'b');
  backend.behave = (_asked, response) => void response.writeHead(403).end();
  clock.advance(60_000);
  expect(await site.channelAuthorizer.authorize(ada, 'subscribe', 'a')).toBe(true);
  expect((await refusal(() => site.channelAuthorizer.authorize(ada, 'subscribe', 'b'))).code).toBe(
    'identity_unavailable',
  );
  forget(site, '7');
  expect((await refusal(() => site.channelAuthorizer.authorize(ada, 'subscribe', 'a'))).code).toBe(
    'identity_unavailable',
  );
});
