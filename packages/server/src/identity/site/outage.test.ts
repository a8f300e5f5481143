import { expect, test } from 'vitest';
import { ANONYMOUS, type Principal } from '../../core/access/principal.ts';
import { forget, openSiteKit, refusal } from './testing/kit.ts';
import { answersBySession, type Behaviour } from './testing/site.ts';

test('during an outage known users stay for the grace period, and unknown ones are refused', async () => {
  const { backend, site, clock, login, logged } = await openSiteKit(answersBySession(60));
  const before = (await login('user-7')) as Principal;
  backend.behave = (_asked, response) => void response.writeHead(503).end();
  clock.advance(60_000);
  const graced = (await login('user-7')) as Principal;
  expect(graced).toEqual({ ...before, expiresMs: before.expiresMs + 5000 });
  expect((await refusal(() => login('user-8'))).code).toBe('identity_unavailable');
  expect((await refusal(() => login('guest'))).code).toBe('identity_unavailable');
  // The breaker is open, so the site receives no question.
  expect(backend.requests).toHaveLength(4);
  expect(login('user-7')).toBe(graced);
  expect((await refusal(() => login('user-9'))).code).toBe('identity_unavailable');
  expect(backend.requests).toHaveLength(4);
  expect(logged).toEqual([expect.stringMatching(/request failed.*503/), expect.stringMatching(/paused.*503/)]);
  // One question tests the site, which is still down.
  clock.advance(5000);
  expect(((await login('user-7')) as Principal).expiresMs).toBe(before.expiresMs + 10_000);
  expect(backend.requests).toHaveLength(5);
  clock.advance(294_999);
  expect((await login('user-7'))?.user).toBe('7');
  clock.advance(1);
  expect((await refusal(() => login('user-7'))).code).toBe('identity_unavailable');
  // The site works again.
  backend.behave = answersBySession(60);
  clock.advance(10_000);
  expect((await login('user-7'))?.user).toBe('7');
  expect((await login('user-8'))?.user).toBe('8');
  expect(logged.at(-1)).toBe('identity site: requests succeed again');
  expect(site.stats.graced).toBeGreaterThan(0);
  expect(site.stats.isFailing).toBe(false);
});

test.each([400, 413, 414, 422, 431])('a %s affects only its own request', async (status) => {
  const { backend, clock, login, logged } = await openSiteKit(
    (_asked, response) => void response.writeHead(status).end(),
  );
  for (let user = 0; user < 10; user++)
    expect((await refusal(() => login(`user-${user}`))).code).toBe('identity_unavailable');
  expect(backend.requests).toHaveLength(10);
  expect(logged).toEqual([expect.stringContaining(String(status))]);
  backend.behave = answersBySession(60);
  expect((await login('user-11'))?.user).toBe('11');
  backend.behave = (_asked, response) => void response.writeHead(status).end();
  clock.advance(60_000);
  await refusal(() => login('user-12'));
  expect(logged).toHaveLength(2);
});

const failsOn = (bad: string): Behaviour => {
  const well = answersBySession(60);
  return (asked, response) =>
    JSON.stringify(asked).includes(bad) ? void response.writeHead(500).end() : well(asked, response);
};

test('a client whose credentials the site cannot parse does not affect others, however often it retries', async () => {
  for (const isAnybodyKnown of [true, false]) {
    const { site, login } = await openSiteKit(failsOn('odd'), { failuresMax: 3 });
    if (isAnybodyKnown) await login('user-0');
    const attack = (round: number): Promise<unknown> =>
      Promise.allSettled(
        Array.from({ length: 6 }, async (_, cookie) => login(`odd-${round}-${cookie}`, { address: '203.0.113.9' })),
      );
    for (let round = 0; round < 5; round++) {
      const attacking = attack(round);
      expect((await login(`user-${round + 1}`, { address: '192.0.2.8' }))?.user).toBe(`${round + 1}`);
      await attacking;
    }
    expect(site.stats).toMatchObject({ isFailing: false, failed: 30 });
  }
});

test('failures from many addresses do not affect others after a success: an answered probe decides', async () => {
  const { backend, site, login } = await openSiteKit(failsOn('odd'), { failuresMax: 3 });
  await login('user-0');
  for (let round = 0; round < 12; round++)
    await refusal(() => login(`odd-${round}`, { address: `203.0.113.${round}` }));
  expect((await login('user-1'))?.user).toBe('1');
  expect(site.stats.isFailing).toBe(false);
  // After every three failures a probe was sent.
  await expect.poll(() => backend.requests.length).toBe(2 + 12 + 4);
});

test('before the first success, a client that has failed may not send the probe of the site', async () => {
  const { clock, login, site } = await openSiteKit(failsOn('odd'), { failuresMax: 3 });
  const attack = (round: number): Promise<PromiseSettledResult<unknown>[]> =>
    Promise.allSettled([8, 9].map(async (host) => login(`odd-${round}-${host}`, { address: `203.0.113.${host}` })));
  for (let round = 0; round < 2; round++) await attack(round);
  expect(site.stats.isFailing).toBe(true);
  for (let round = 2; round < 5; round++) {
    clock.advance(5000);
    // The suspects' questions arrive first, and again after that failed.
    await attack(round);
    expect(site.stats.isFailing).toBe(true);
    const attacking = attack(round);
    if (round === 4) expect((await login('user-1', { address: '192.0.2.8' }))?.user).toBe('1');
    await attacking;
  }
  expect(site.stats.isFailing).toBe(false);
  expect((await login('user-2', { address: '192.0.2.9' }))?.user).toBe('2');
});

test('a client whose request waits for its answer does not prevent others from testing the site', async () => {
  const { backend, clock, login, site } = await openSiteKit(failsOn('odd'), { failuresMax: 2 });
  for (const host of [8, 9]) await refusal(() => login(`odd-${host}`, { address: `203.0.113.${host}` }));
  expect(site.stats.isFailing).toBe(true);
  clock.advance(5000);
  const well = answersBySession(60);
  let release = (): void => undefined;
  backend.behave = (asked, response) =>
    JSON.stringify(asked).includes('odd')
      ? void (release = (): void => void response.writeHead(500).end())
      : well(asked, response);
  const attacking = refusal(() => login('odd-again', { address: '203.0.113.8' }));
  await expect.poll(() => backend.requests.length).toBe(3);
  expect((await login('user-1', { address: '192.0.2.8' }))?.user).toBe('1');
  release();
  await attacking;
  expect(site.stats.isFailing).toBe(false);
});

test('if all clients have failed, any of them can detect that the site is back', async () => {
  const { backend, clock, login, site } = await openSiteKit((_asked, response) => void response.writeHead(500).end());
  for (let user = 0; user < 3; user++) await refusal(() => login(`user-${user}`, { address: `192.0.2.${user}` }));
  expect(site.stats.isFailing).toBe(true);
  clock.advance(5000);
  await refusal(() => login('user-0', { address: '192.0.2.0' }));
  // One suspect's question at a time, and then a pause.
  await refusal(() => login('user-1', { address: '192.0.2.1' }));
  expect(backend.requests).toHaveLength(4);
  backend.behave = answersBySession(60);
  clock.advance(5000);
  expect((await login('user-1', { address: '192.0.2.1' }))?.user).toBe('1');
  expect(site.stats.isFailing).toBe(false);
});

test('a site that is down is probed with known credentials, and then serves known users', async () => {
  const { backend, clock, login, site } = await openSiteKit(answersBySession(60), { failuresMax: 3 });
  await login('user-0');
  backend.behave = (_asked, response) => void response.writeHead(500).end();
  for (let user = 1; user < 4; user++) await refusal(() => login(`user-${user}`, { address: `192.0.2.${user}` }));
  await expect.poll(() => site.stats.isFailing).toBe(true);
  backend.behave = failsOn('odd');
  clock.advance(5000);
  expect((await login('user-5'))?.user).toBe('5');
});

test('a client with many requests waits for its own turns alone, and its places go to others', async () => {
  const answers: (() => void)[] = [];
  const { backend, login } = await openSiteKit(
    (asked, response) =>
      void answers.push(() => {
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({ user: (asked.headers['cookie'] ?? '').replace(/\D/g, ''), ttlSeconds: 60 }));
      }),
    { concurrentMax: 1, queueMax: 10 },
  );
  const crowd = Promise.allSettled(Array.from({ length: 50 }, async (_, user) => login(`user-${user}`)));
  const other = login('user-99', { address: '192.0.2.8' });
  await expect.poll(() => answers.length).toBe(1);
  answers.shift()?.();
  await expect.poll(() => answers.length).toBe(1);
  answers.shift()?.();
  const isOtherSecond = (): boolean =>
    backend.requests.slice(0, 3).some((asked) => JSON.stringify(asked).includes('99'));
  await expect.poll(isOtherSecond).toBe(true);
  const answering = setInterval(() => answers.shift()?.(), 1);
  expect(await other).toBeDefined();
  await crowd;
  clearInterval(answering);
});

test('a site that is back receives one probe, not a burst', async () => {
  const { backend, clock, login } = await openSiteKit((_asked, response) => void response.writeHead(500).end());
  for (let user = 0; user < 3; user++) await refusal(() => login(`user-${user}`, { address: `192.0.2.${user}` }));
  clock.advance(5000);
  const crowd = await Promise.allSettled(Array.from({ length: 100 }, async (_, user) => login(`user-${user}`)));
  expect(crowd.every(({ status }) => status === 'rejected')).toBe(true);
  expect(backend.requests).toHaveLength(4);
});

test('a user who was logged out does not stay for the grace period', async () => {
  const { backend, site, clock, login } = await openSiteKit(answersBySession(60));
  await login('user-7');
  forget(site, '7');
  backend.behave = (_asked, response) => void response.writeHead(500).end();
  expect((await refusal(() => login('user-7'))).code).toBe('identity_unavailable');
  clock.advance(1);
});

test('an answer in flight when its user is forgotten is dropped, and the site is asked again', async () => {
  const answers: ((answer: object) => void)[] = [];
  const { backend, site, login } = await openSiteKit(() => new Promise((resolve) => answers.push(resolve)));
  const asking = login('user-7');
  await expect.poll(() => answers.length).toBe(1);
  forget(site, '7');
  answers[0]?.({ user: '7', ttlSeconds: 60 });
  await expect.poll(() => answers.length).toBe(2);
  answers[1]?.({ user: null });
  expect(await asking).toEqual(ANONYMOUS);
  expect(backend.requests).toHaveLength(2);
});

test('a live session is renewed by asking the site again, once for all that share it', async () => {
  const { backend, site, clock, login } = await openSiteKit(answersBySession(60));
  const [login0] = site.identifiers;
  const first = (await login('user-7')) as Principal;
  clock.advance(40_000);
  const renewed = await Promise.all([login0?.renew?.(first), login0?.renew?.(first)]);
  expect(renewed[0]?.expiresMs).toBe(first.expiresMs + 40_000);
  expect(renewed[1]).toBe(renewed[0]);
  expect(await login0?.renew?.(first)).toBe(renewed[0]);
  expect(backend.requests).toHaveLength(2);
  expect(login0?.renew?.(ANONYMOUS)).toBeUndefined();
  expect(login0?.renew?.({ ...first })).toBeUndefined();
});

test('a renewal detects that the user has logged out, or has changed', async () => {
  const { backend, site, login } = await openSiteKit(answersBySession(60));
  const [login0] = site.identifiers;
  const first = (await login('user-7')) as Principal;
  backend.behave = () => ({ user: '8', ttlSeconds: 60 });
  expect((await refusal(() => login0?.renew?.(first))).code).toBe('unauthorized');
  forget(site, '8');
  backend.behave = () => ({ user: null });
  expect((await refusal(() => login0?.renew?.(first))).code).toBe('unauthorized');
});

test('during an outage a live session is renewed until the grace period ends', async () => {
  const { backend, site, clock, login } = await openSiteKit(answersBySession(60), { graceSeconds: 12 });
  const [login0] = site.identifiers;
  const first = (await login('user-7')) as Principal;
  backend.behave = (_asked, response) => void response.destroy();
  let held = first;
  const lives: number[] = [];
  for (let round = 0; round < 3; round++) {
    clock.advance(held.expiresMs - clock.nowMs() - 100);
    held = (await login0?.renew?.(held)) as Principal;
    lives.push(held.expiresMs - first.expiresMs);
  }
  expect(lives).toEqual([5000, 9900, 12_000]);
  clock.advance(held.expiresMs - clock.nowMs());
  expect((await refusal(() => login0?.renew?.(held))).code).toBe('identity_unavailable');
});

test('during an outage a renewal extends the session, also with very short intervals', async () => {
  const { backend, site, clock, login } = await openSiteKit(answersBySession(60), { failuresMax: 1 });
  const [login0] = site.identifiers;
  let held = (await login('user-7')) as Principal;
  backend.behave = (_asked, response) => void response.destroy();
  clock.advance(59_000);
  for (let round = 0; round < 20; round++) {
    clock.advance(1100);
    const renewed = (await login0?.renew?.(held)) as Principal;
    expect(renewed.expiresMs).toBeGreaterThan(held.expiresMs);
    held = renewed;
  }
});

test('waiting requests fail when the hub closes', async () => {
  const { site, login } = await openSiteKit(() => undefined, { concurrentMax: 1 });
  const asking = [login('user-1'), login('user-2')].map((each) => refusal(() => each));
  await site.close();
  for (const { code } of await Promise.all(asking)) expect(code).toBe('identity_unavailable');
});
