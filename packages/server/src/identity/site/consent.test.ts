import { expect, test } from 'vitest';
import { ANONYMOUS, type Principal } from '../../core/principal.ts';
import { forget, kit, refusal } from './testing/kit.ts';

test('a rule may leave a channel to the site, which is asked about users alone', async () => {
  const { backend, site, clock } = await kit(({ body }) => ({
    allowed: body['channel'] === 'orders.7',
    ttlSeconds: 60,
  }));
  const ada: Principal = { ...ANONYMOUS, kind: 'user', user: '7', claims: { staff: true } };
  const { consent } = site;
  expect(consent.ask(ANONYMOUS, 'subscribe', 'orders.7')).toBe(false);
  expect(await consent.ask(ada, 'subscribe', 'orders.7')).toBe(true);
  expect(consent.ask(ada, 'subscribe', 'orders.7')).toBe(true);
  expect(await consent.ask(ada, 'subscribe', 'orders.8')).toBe(false);
  expect(consent.ask(ada, 'subscribe', 'orders.8')).toBe(false);
  expect(await consent.ask(ada, 'publish', 'orders.7')).toBe(true);
  expect(await consent.ask({ ...ada, claims: {} }, 'subscribe', 'orders.7')).toBe(true);
  expect(backend.asked.map(({ path, body }) => [path, body])).toEqual([
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.7', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.8', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'publish', channel: 'orders.7', claims: { staff: true } }],
    ['/consent', { user: '7', action: 'subscribe', channel: 'orders.7', claims: {} }],
  ]);
  clock.pass(3000);
  await consent.ask(ada, 'subscribe', 'orders.8');
  expect(backend.asked).toHaveLength(5);
});

test('consent in an outage: what was allowed stays for the grace, all else is not known', async () => {
  const { backend, site, clock } = await kit(({ body }) => ({ allowed: body['channel'] === 'a', ttlSeconds: 60 }));
  const ada: Principal = { ...ANONYMOUS, kind: 'user', user: '7' };
  await site.consent.ask(ada, 'subscribe', 'a');
  await site.consent.ask(ada, 'subscribe', 'b');
  backend.behave = (_asked, response) => void response.writeHead(403).end();
  clock.pass(60_000);
  expect(await site.consent.ask(ada, 'subscribe', 'a')).toBe(true);
  expect((await refusal(() => site.consent.ask(ada, 'subscribe', 'b'))).code).toBe('identity_unavailable');
  forget(site, '7');
  expect((await refusal(() => site.consent.ask(ada, 'subscribe', 'a'))).code).toBe('identity_unavailable');
});
