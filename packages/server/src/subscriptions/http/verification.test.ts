import { describe, expect, test } from 'vitest';
import {
  openEndpoint,
  openSubscriptionHub,
  type Received,
  type SubscriptionHub,
} from '../../testing/subscription-hub.ts';

/** The hours of the retries pass in seconds. */
const SPEED = 2000;
const OFTEN = { interval: 10 };

/** The endpoint's response, given all challenges so far. The last one belongs to this request. */
type Answer = (challenges: readonly string[]) => string | number;

/**
 * An endpoint that needs verification, and a trusted endpoint that shows which events were
 * delivered.
 */
async function world(
  answer: Answer,
  speed = SPEED,
): Promise<{
  readonly hub: SubscriptionHub;
  readonly path: string;
  readonly received: readonly Received[];
  readonly others: readonly Received[];
  readonly states: readonly unknown[];
}> {
  const challenges: string[] = [];
  const states: unknown[] = [];
  const created = Promise.withResolvers<string>();
  const endpoint = await openEndpoint(async ({ body }, response) => {
    const { type, data } = JSON.parse(body) as { type?: string; data: { challenge: string } };
    if (type !== 'polycast.verify') return void response.end();
    challenges.push(data.challenge);
    // The state does not change before the response. The first request may arrive here before the
    // answer to the creation.
    states.push((await hub.ask('GET', await created.promise)).body['state']);
    const said = answer(challenges);
    if (typeof said === 'number') response.writeHead(said).end(JSON.stringify({ challenge: data.challenge }));
    else response.end(said);
  });
  const other = await openEndpoint();
  const allow = [endpoint, other].map(({ url }) => new URL(url).host);
  const trustedEndpoints = [new URL(other.url).origin];
  const hub = await openSubscriptionHub(
    { access: 'open', outgoing: { allow }, subscriptions: { trustedEndpoints } },
    speed,
  );
  await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: other.url } });
  const delivery = { kind: 'webhook', url: endpoint.url, timeoutMs: 60_000 };
  const { id, state } = await hub.create({ channels: ['a'], delivery });
  expect(state).toBe('pending');
  const path = `/v1/subscriptions/${String(id)}`;
  created.resolve(path);
  return { hub, path, received: endpoint.received, others: other.received, states };
}

const typeOf = ({ body }: Received): unknown => (JSON.parse(body) as { type?: string }).type;

/** The verification requests in order, with times and outcomes. */
async function questions(hub: SubscriptionHub, path: string): Promise<readonly { started: number; outcome: string }[]> {
  const { body } = await hub.ask('GET', `${path}/attempts`);
  const attempts = body['attempts'] as readonly { event: string | null; started: string; outcome: string }[];
  return attempts
    .filter(({ event }) => event === null)
    .map(({ started, outcome }) => ({ started: Date.parse(started), outcome }))
    .toReversed();
}

describe('an endpoint that must be verified', () => {
  test('and answers with a wrong challenge is asked again, receives no event, and is refused', async () => {
    const { hub, path, received, others, states } = await world((challenges) => {
      const [before = 'wrong'] = challenges.slice(-2, -1);
      return JSON.stringify({ challenge: before });
    });
    await hub.publish('a', 1);
    await expect.poll(() => received.length, OFTEN).toBeGreaterThan(1);
    await hub.publish('a', 2);
    await expect.poll(async () => (await hub.ask('GET', path)).body['state'], OFTEN).toBe('ended');
    const ended = await hub.ask('GET', path);
    expect(ended.body).toMatchObject({ state: 'ended', reason: 'refused' });
    // After 10 s, 1 min, 10 min and an hour, each with a jitter of a fifth (PROTOCOL.md section
    // 14.5).
    const asked = await questions(hub, path);
    expect(asked.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'answer'));
    const waits = asked.slice(1).map(({ started }, index) => started - (asked[index]?.started ?? 0));
    for (const [index, waitMs] of [10_000, 60_000, 600_000, 3_600_000].entries())
      expect(waits[index]).toBeGreaterThanOrEqual(waitMs * 0.8);
    expect(states).toEqual(Array.from({ length: 5 }, () => 'pending'));
    // The verified endpoint receives new events. The refused one receives none, neither new nor
    // old.
    await hub.publish('a', 3);
    await expect.poll(() => others.length, OFTEN).toBe(3);
    expect(received.map(typeOf)).toEqual(Array.from({ length: 5 }, () => 'polycast.verify'));
    const resumed = await hub.ask('POST', `${path}/resume`);
    expect([resumed.status, resumed.body['code']]).toEqual([409, 'subscription_not_active']);
    const events = await hub.ask('GET', `/v1/channels/polycast.subscriptions.${path.split('/').at(-1)}/history`);
    expect(events.body['events']).toMatchObject([
      { type: 'polycast.subscription.ended', data: { state: 'ended', reason: 'refused' } },
    ]);
  });

  test('and gives the right answer later receives all events published since', async () => {
    const { hub, path, received } = await world((challenges) =>
      challenges.length < 3 ? 'wrong' : (challenges.at(-1) as string),
    );
    await hub.publish('a', 1);
    await expect.poll(() => received.map(typeOf), OFTEN).toContain(undefined);
    expect(received.map(typeOf)).toEqual(['polycast.verify', 'polycast.verify', 'polycast.verify', undefined]);
    expect(JSON.parse(received[3]?.body ?? '')).toMatchObject({ channel: 'a', data: 1 });
    expect((await hub.ask('GET', path)).body).toMatchObject({ state: 'active', reason: 'verified' });
    expect((await questions(hub, path)).map(({ outcome }) => outcome)).toEqual(['answer', 'answer', 'delivered']);
  });

  test('and is removed is not asked again; the right challenge with an error, or a redirect, is a failure', async () => {
    const answers = [500, 302, 410];
    const { hub, path, received } = await world((challenges) => answers[challenges.length - 1] as number);
    await hub.publish('a', 1);
    await expect.poll(async () => (await hub.ask('GET', path)).body['state'], OFTEN).toBe('ended');
    expect((await hub.ask('GET', path)).body['reason']).toBe('gone');
    expect(received.map(typeOf)).toEqual(Array.from({ length: 3 }, () => 'polycast.verify'));
    expect((await questions(hub, path)).map(({ outcome }) => outcome)).toEqual([
      'refused_status',
      'redirected',
      'gone',
    ]);
  });
});

/**
 * At this speed the delay of ten minutes takes 30 s. The tests end sooner, even if they wait for
 * the minimum interval of five seconds.
 */
const WAITING = 20;
/** At this speed the minimum interval takes more than four minutes. No test outlives it. */
const SLOW = 0.02;

/**
 * Resumes as soon as the hub permits another verification request.
 * @param onAsk called before each request to resume, and after its answer
 */
async function resumed(
  hub: SubscriptionHub,
  path: string,
  onAsk: (isAsking: boolean) => void = () => undefined,
): Promise<Readonly<Record<string, unknown>>> {
  let body: Readonly<Record<string, unknown>> = {};
  await expect
    .poll(async () => {
      onAsk(true);
      const reply = await hub.ask('POST', `${path}/resume`);
      onAsk(false);
      body = reply.body;
      return reply.status;
    }, OFTEN)
    .toBe(200);
  return body;
}

describe('an owner of an endpoint that failed its verification', () => {
  test('verifies it immediately by resuming, and receives the result', async () => {
    let isReady = false;
    const { hub, path, received } = await world(
      (challenges) => (isReady ? (challenges.at(-1) as string) : 'wrong'),
      WAITING,
    );
    await hub.publish('a', 1);
    await expect.poll(async () => (await questions(hub, path)).length, OFTEN).toBe(3);
    expect(await resumed(hub, path)).toMatchObject({ state: 'pending', reason: 'created' });
    // The next retry of the hub's own is then due in three seconds, and not in half a second.
    await expect.poll(async () => (await questions(hub, path)).length, OFTEN).toBeGreaterThanOrEqual(5);
    // On a busy machine that retry may come first. It must not verify the endpoint.
    const verified = await resumed(hub, path, (isAsking) => (isReady = isAsking));
    expect(verified).toMatchObject({ state: 'active', reason: 'verified' });
    await expect.poll(() => received.map(typeOf), OFTEN).toContain(undefined);
    const { body } = await hub.ask('GET', `${path}/attempts`);
    const tries = (body['attempts'] as readonly { event: string | null; attempt: number; outcome: string }[])
      .filter(({ event }) => event === null)
      .map(({ attempt, outcome }) => `${attempt} ${outcome}`);
    // A verification on request begins the retries anew.
    expect(tries[0]).toBe('1 delivered');
    expect(tries.slice(-4)).toEqual(['1 answer', '3 answer', '2 answer', '1 answer']);
  });

  test('cannot have it verified more than once in five seconds', async () => {
    const { hub, path, received } = await world(() => 500, SLOW);
    await expect.poll(async () => (await questions(hub, path)).length, OFTEN).toBe(1);
    for (const { status, headers, body } of [
      await hub.ask('POST', `${path}/resume`),
      await hub.ask('POST', `${path}/resume`),
    ]) {
      expect([status, body['code']]).toEqual([429, 'rate_limited']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(5);
      expect(body['retryAfterMs']).toBeLessThanOrEqual(5000);
    }
    expect(received).toHaveLength(1);
    expect((await hub.ask('GET', path)).body['state']).toBe('pending');
  });

  test('waits for the answer to a verification in flight', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const endpoint = await openEndpoint(async ({ body }, response) => {
      await promise;
      response.end((JSON.parse(body) as { data: { challenge: string } }).data.challenge);
    });
    const hub = await openSubscriptionHub({ access: 'open', outgoing: { allow: [new URL(endpoint.url).host] } });
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url } });
    const path = `/v1/subscriptions/${String(id)}`;
    const answers = [hub.ask('POST', `${path}/resume`), hub.ask('POST', `${path}/resume`)];
    await expect.poll(() => endpoint.received.length, OFTEN).toBe(1);
    expect((await hub.ask('GET', path)).body['state']).toBe('pending');
    resolve();
    for (const { status, body } of await Promise.all(answers)) expect([status, body['state']]).toEqual([200, 'active']);
    expect(endpoint.received).toHaveLength(1);
  });

  test('receives the state of an ended one, without a further verification', async () => {
    let isGone = false;
    const { hub, path } = await world(() => (isGone ? 410 : 500), WAITING);
    await expect.poll(async () => (await questions(hub, path)).length, OFTEN).toBe(3);
    isGone = true;
    expect(await resumed(hub, path)).toMatchObject({ state: 'ended', reason: 'gone' });
    expect((await hub.ask('POST', `${path}/resume`)).status).toBe(409);
  });

  test('has it verified in the way of its dialect', async () => {
    let isReady = false;
    const methods: string[] = [];
    const endpoint = await openEndpoint((_received, response) => {
      methods.push(String(response.req.method));
      response.writeHead(200, isReady ? { 'webhook-allowed-origin': '*' } : {}).end();
    });
    const hub = await openSubscriptionHub(
      { access: 'open', outgoing: { allow: [new URL(endpoint.url).host] } },
      WAITING,
    );
    const delivery = { kind: 'webhook', url: endpoint.url, dialect: 'cloudevents' };
    const path = `/v1/subscriptions/${String((await hub.create({ channels: ['a'], delivery }))['id'])}`;
    await expect.poll(async () => (await questions(hub, path)).length, OFTEN).toBe(3);
    isReady = true;
    expect(await resumed(hub, path)).toMatchObject({ state: 'active', reason: 'verified' });
    expect(new Set(methods)).toEqual(new Set(['OPTIONS']));
  });
});

describe('an unverified endpoint receives no sample of data that another caller has chosen', () => {
  async function refused(hub: SubscriptionHub, id: unknown): Promise<void> {
    const path = `/v1/subscriptions/${String(id)}`;
    const { status, body } = await hub.ask('POST', `${path}/test`, { data: 'chosen' });
    expect([status, body['code'], body['state']]).toEqual([409, 'subscription_not_active', 'pending']);
  }
  const chosen = (received: readonly Received[]): readonly Received[] =>
    received.filter(({ body }) => body.includes('chosen'));

  test.each(['standard', 'cloudevents'])('in the dialect %s', async (dialect) => {
    const endpoint = await openEndpoint();
    const hub = await openSubscriptionHub({ access: 'open', outgoing: { allow: [new URL(endpoint.url).host] } });
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url, dialect } });
    await refused(hub, id);
    expect(chosen(endpoint.received)).toEqual([]);
  });

  test('after its webhook has been moved there, although the endpoint before received them', async () => {
    const [before, after] = [await openEndpoint(), await openEndpoint()];
    const allow = [before, after].map(({ url }) => new URL(url).host);
    const trustedEndpoints = [new URL(before.url).origin];
    const hub = await openSubscriptionHub({ access: 'open', outgoing: { allow }, subscriptions: { trustedEndpoints } });
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: before.url } });
    const path = `/v1/subscriptions/${String(id)}`;
    expect((await hub.ask('POST', `${path}/test`, { data: 'chosen' })).status).toBe(200);
    expect((await hub.ask('PATCH', path, { delivery: { url: after.url } })).body['state']).toBe('pending');
    await refused(hub, id);
    expect([chosen(before.received).length, chosen(after.received).length]).toEqual([1, 0]);
  });
});
