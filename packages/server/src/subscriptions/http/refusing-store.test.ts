import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { SUBSCRIPTIONS_FILE } from '../../storage/sqlite/subscriptions/schema.ts';
import {
  openEndpoint,
  openSubscriptionHub,
  waitUntil,
  type Endpoint,
  type Received,
  type SubscriptionHub,
} from '../../testing/subscription-hub.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';

/** A hub whose store of subscriptions refuses some statements. */
interface RefusingHub extends SubscriptionHub {
  /** @param statement such as `DELETE ON dead_letter` */
  refuse(statement: string): void;
  /** The store accepts everything again. Resolves when it has written. */
  accept(): Promise<void>;
}

async function openRefusingHub(): Promise<RefusingHub> {
  const folder = temporaryFolder();
  const hub = await openSubscriptionHub({ data: folder });
  const database = (): DatabaseSync => new DatabaseSync(join(folder, SUBSCRIPTIONS_FILE), { timeout: 10_000 });
  return Object.assign(hub, {
    refuse(statement: string) {
      using file = database();
      file.exec(`CREATE TRIGGER refusal BEFORE ${statement} BEGIN SELECT RAISE(ABORT, 'refused'); END`);
    },
    async accept() {
      using file = database();
      file.exec('DROP TRIGGER refusal');
      const queue = { channels: ['z'], delivery: { kind: 'pull' } };
      await waitUntil(async () => expect((await hub.ask('POST', '/v1/subscriptions', queue)).status).toBe(201));
    },
  });
}

const create = (hub: SubscriptionHub, url: string, delivery: object = {}) =>
  hub.ask('POST', '/v1/subscriptions', {
    channels: ['a', 'a.>'],
    delivery: { kind: 'webhook', url, format: 'data', ...delivery },
  });

async function webhook(hub: SubscriptionHub, { url }: Endpoint, delivery: object = {}): Promise<string> {
  return `/v1/subscriptions/${String((await create(hub, url, delivery)).body['id'])}`;
}

const FIRST = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const SECOND = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const THIRD = 'whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB';

/** The signature of a request by a secret, as Standard Webhooks 1.0 defines it. */
function signature(secret: string, { headers, body }: Received): string {
  const content = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
}

test.each([
  ['the same secret', SECOND, [SECOND, FIRST]],
  ['another secret', THIRD, [THIRD, SECOND, FIRST]],
])(
  'after a refused rotation is repeated with %s, the oldest secret signs until the overlap ends',
  async (_how, secret, signing) => {
    const hub = await openRefusingHub();
    const endpoint = await openEndpoint();
    const path = `${await webhook(hub, endpoint, { secret: FIRST })}/rotate-secret`;
    hub.refuse('INSERT ON definition');
    const refused = await hub.ask('POST', path, { secret: SECOND, overlapSeconds: 60 });
    expect(refused.body).toMatchObject({ code: 'log_unavailable', detail: expect.stringContaining('in force') });
    await hub.accept();
    const beforeMs = Date.now();
    const rotated = await hub.ask('POST', path, { secret, overlapSeconds: 3600 });
    const { secrets } = rotated.body['delivery'] as { secrets: readonly { expires: string | null }[] };
    expect(secrets[0]?.expires).toBe(null);
    for (const { expires } of secrets.slice(1))
      expect(Date.parse(expires ?? '')).toBeGreaterThanOrEqual(beforeMs + 3_600_000);
    await hub.publish('a', 1);
    await waitUntil(() => expect(endpoint.received).toHaveLength(1));
    const [received] = endpoint.received as [Received];
    expect(String(received.headers['webhook-signature']).split(' ')).toEqual(
      signing.map((text) => signature(text, received)),
    );
    // The next rotation ends all but the newest of these.
    const next = await hub.ask('POST', path, { overlapSeconds: 3600 });
    expect((next.body['delivery'] as { secrets: unknown[] }).secrets).toHaveLength(2);
  },
);

test('a rotation that is repeated because its answer was lost keeps the previous secret', async () => {
  const hub = await openSubscriptionHub();
  const endpoint = await openEndpoint();
  const path = await webhook(hub, endpoint, { secret: FIRST });
  for (let turn = 0; turn < 2; turn++) await hub.ask('POST', `${path}/rotate-secret`, { secret: SECOND });
  await hub.publish('a', 1);
  await waitUntil(() => expect(endpoint.received).toHaveLength(1));
  const [received] = endpoint.received as [Received];
  expect(String(received.headers['webhook-signature']).split(' ')).toEqual(
    [SECOND, FIRST].map((text) => signature(text, received)),
  );
});

const FAILING = (): Promise<Endpoint> => openEndpoint((_received, response) => response.writeHead(500).end());

async function deadLetters(hub: SubscriptionHub, path: string): Promise<readonly [listed: number, counted: unknown]> {
  const listed = (await hub.ask('GET', `${path}/dead-letters`)).body['deadLetters'] as readonly unknown[];
  const { backlog } = (await hub.ask('GET', path)).body as { backlog: { deadLetters: number } };
  return [listed.length, backlog.deadLetters];
}

test('dead letters that the store does not discard are counted, and are discarded once', async () => {
  const hub = await openRefusingHub();
  const path = await webhook(hub, await FAILING(), { retryDelaysSeconds: [] });
  for (let n = 0; n < 4; n++) await hub.publish('a', n);
  await waitUntil(async () => expect(await deadLetters(hub, path)).toEqual([4, 4]));
  hub.refuse('DELETE ON dead_letter');
  expect((await hub.ask('DELETE', `${path}/dead-letters`)).body['code']).toBe('log_unavailable');
  expect(await deadLetters(hub, path)).toEqual([4, 4]);
  await hub.accept();
  const discards = await Promise.all([1, 2, 3].map(() => hub.ask('DELETE', `${path}/dead-letters`)));
  expect(discards.map(({ body }) => body['discarded']).toSorted()).toEqual([0, 0, 4]);
  for (let n = 0; n < 2; n++) await hub.publish('a', n);
  await waitUntil(async () => expect(await deadLetters(hub, path)).toEqual([2, 2]));
});

test('a retry of dead letters that the store refuses is in force, and is stored later', async () => {
  let isFailing = true;
  const endpoint = await openEndpoint((_received, response) => response.writeHead(isFailing ? 500 : 200).end());
  const hub = await openRefusingHub();
  const path = await webhook(hub, endpoint, { retryDelaysSeconds: [] });
  for (let n = 0; n < 2; n++) await hub.publish('a', n);
  await waitUntil(async () => expect(await deadLetters(hub, path)).toEqual([2, 2]));
  isFailing = false;
  hub.refuse('DELETE ON dead_letter');
  const refused = await hub.ask('POST', `${path}/dead-letters/retry`);
  expect(refused.body).toMatchObject({ code: 'log_unavailable', detail: expect.stringContaining('in force') });
  await waitUntil(() => expect(endpoint.received).toHaveLength(4));
  await hub.accept();
  await waitUntil(async () => expect(await deadLetters(hub, path)).toEqual([0, 0]));
});
