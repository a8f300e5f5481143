import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { openEndpoint, openSubscriptionHub, waitUntil, type SubscriptionHub } from '../../testing/subscription-hub.ts';

const FAILED = { channel: 'a', attempts: 1, outcome: 'refused_status' };

/** A hub with a wiped log: the old dead letter, and a new one at the same position. */
async function afterTheLog(): Promise<{ hub: SubscriptionHub; path: string; old: string; late: string }> {
  const data = temporaryFolder();
  const endpoint = await openEndpoint(({ body }, response) =>
    response.writeHead(body.includes('polycast.gap') ? 204 : 500).end(),
  );
  const delivery = { kind: 'webhook', url: endpoint.url, retryDelaysSeconds: [] };
  const settings = { data, subscriptions: { trustedEndpoints: ['http://127.0.0.1'] } };
  const first = await openSubscriptionHub(settings);
  const path = `/v1/subscriptions/${String((await first.create({ channels: ['a'], delivery }))['id'])}`;
  const fails = async (hub: SubscriptionHub, count: number): Promise<string> => {
    await waitUntil(async () => expect((await hub.ask('GET', path)).body['state']).toBe('active'));
    const event = await hub.publish('a', count);
    await waitUntil(async () =>
      expect((await hub.ask('GET', `${path}/dead-letters`)).body['deadLetters']).toHaveLength(count),
    );
    return event;
  };
  const old = await fails(first, 1);
  await first.close();
  for (const name of readdirSync(data))
    if (!name.startsWith('subscriptions.sqlite')) rmSync(join(data, name), { recursive: true });
  const hub = await openSubscriptionHub(settings);
  const late = await fails(hub, 2);
  expect(late.slice(10)).toBe(old.slice(10));
  return { hub, path, old, late };
}

test('a dead letter of a lost log keeps its id beside one at the same position, and no other event is shown for it', async () => {
  const { hub, path, old, late } = await afterTheLog();
  const deadLetters = `${path}/dead-letters`;
  expect((await hub.ask('GET', deadLetters)).body).toEqual({
    deadLetters: [
      expect.objectContaining({ event: old, ...FAILED }),
      expect.objectContaining({ event: late, ...FAILED }),
    ],
    next: null,
  });
  expect((await hub.ask('GET', `${deadLetters}?limit=1`)).body).toMatchObject({
    deadLetters: [{ event: old }],
    next: old,
  });
  const rest = (await hub.ask('GET', `${deadLetters}?after=${old}`)).body;
  expect(rest).toMatchObject({ deadLetters: [{ event: late }], next: null });
  expect((await hub.ask('GET', `${deadLetters}/${old}`)).body).toMatchObject({ event: old, ...FAILED, payload: null });
  const payload = { id: late, data: 2 };
  expect((await hub.ask('GET', `${deadLetters}/${late}`)).body).toMatchObject({ event: late, payload });
});

test('it is not retried, alone or among all, and remains until it is discarded', async () => {
  const { hub, path, old, late } = await afterTheLog();
  const healed = await openEndpoint();
  await hub.ask('PATCH', path, { delivery: { url: healed.url } });
  const deadLetters = `${path}/dead-letters`;
  const refused = await hub.ask('POST', `${deadLetters}/${old}/retry`);
  expect([refused.status, refused.body['code'], refused.body['detail']]).toEqual([
    404,
    'not_found',
    expect.stringContaining('log'),
  ]);
  expect((await hub.ask('POST', `${deadLetters}/retry`)).body).toEqual({ retried: 1 });
  await waitUntil(() => expect(healed.received.map(({ headers }) => headers['webhook-id'])).toEqual([late]));
  expect((await hub.ask('GET', deadLetters)).body).toMatchObject({ deadLetters: [{ event: old }] });
  expect((await hub.ask('DELETE', `${deadLetters}/${late}`)).status).toBe(404);
  expect((await hub.ask('DELETE', `${deadLetters}/${old}`)).body).toEqual({ discarded: 1 });
  expect((await hub.ask('GET', deadLetters)).body).toMatchObject({ deadLetters: [] });
  expect((await hub.ask('GET', path)).body['backlog']).toMatchObject({ deadLetters: 0 });
});

test('all are discarded, of any log', async () => {
  const { hub, path } = await afterTheLog();
  expect((await hub.ask('DELETE', `${path}/dead-letters`)).body).toEqual({ discarded: 2 });
  expect((await hub.ask('GET', `${path}/dead-letters`)).body).toMatchObject({ deadLetters: [] });
});

test('attempts of an event of a lost log are found by its id', async () => {
  const { hub, path, old, late } = await afterTheLog();
  for (const event of [old, late]) {
    const { body } = await hub.ask('GET', `${path}/attempts?event=${event}`);
    expect(body).toMatchObject({ attempts: [{ event, outcome: 'refused_status' }] });
    const trace = (await hub.ask('GET', `/v1/events/${event}/deliveries`)).body;
    const expected = { state: 'dead-letter', tries: 1, attempts: [{ event }] };
    expect(trace).toMatchObject({ event, deliveries: [expected] });
  }
});

test('an event of a lost log has no deliveries', async () => {
  const hub = await openSubscriptionHub();
  const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'pull' } });
  const path = `/v1/subscriptions/${String(id)}`;
  const unknown = 'zzzzzzzzzz-00000000001';
  expect((await hub.ask('GET', `${path}/attempts?event=${unknown}`)).body).toEqual({ attempts: [], next: null });
  expect((await hub.ask('GET', `/v1/events/${unknown}/deliveries`)).body).toEqual({ event: unknown, deliveries: [] });
  expect((await hub.ask('GET', `${path}/dead-letters?after=${unknown}`)).body).toEqual({ deadLetters: [], next: null });
  for (const [method, below] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/retry'],
  ] as const) {
    const { status, body } = await hub.ask(method, `${path}/dead-letters/${unknown}${below}`);
    expect([method, status, body['code']]).toEqual([method, 404, 'not_found']);
  }
});
