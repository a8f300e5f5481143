import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { INGEST_PROVIDERS } from '../../packages/server/src/core/ingest-settings.ts';
import { TEST_PROVIDERS, type ProviderRequest } from '../../packages/server/src/ingest/testing.ts';
import { NATS_SERVER, startBrokers, type Brokers } from '../kit/brokers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { answered, call, query } from '../kit/http.ts';

/** Webhooks of third parties at two whole hubs, each a process, on a real broker. */
const AT_ONCE = 20;
const SOURCES = INGEST_PROVIDERS.map((provider) => ({
  source: provider,
  provider,
  channel: `ingested.${provider}`,
  keys: [{ secret: TEST_PROVIDERS[provider].secret }],
}));

interface Outcome {
  readonly status: number;
  readonly id?: string;
  readonly duplicate?: boolean;
  readonly code?: string;
}

const DUPLICATE: Outcome = { status: 200, duplicate: true };

async function deliver(hub: HubProcess, source: string, { body, headers }: ProviderRequest): Promise<Outcome> {
  const reply = await call(`${hub.url}/v1/ingest/${source}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  });
  return { status: reply.status, ...reply.json<object>() };
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

interface Reading {
  readonly after?: string | undefined;
  /** The hub first waits until it has this event. */
  readonly through?: string | undefined;
}

/** The ids of the events of a channel or a pattern. */
async function idsOf(
  hub: HubProcess,
  channel: string,
  { after = 'earliest', through }: Reading = {},
): Promise<readonly string[]> {
  const read = (cursor: string): ReturnType<typeof call> =>
    answered(() => call(`${hub.url}/v1/events?${query({ channel, after: cursor, limit: 1000 })}`));
  if (through !== undefined) expect((await read(through)).status).toBe(200);
  const { events } = (await read(after)).json<{ readonly events: readonly { readonly id: string }[] }>();
  return events.map(({ id }) => id);
}

describe.skipIf(NATS_SERVER === undefined)('a delivery of a third party to a cluster', () => {
  let brokers: Brokers;
  let one: HubProcess;
  let other: HubProcess;

  async function startHub(): Promise<HubProcess> {
    const config = { cluster: brokers.settings, ingest: SOURCES };
    return startHubProcess({ data: temporaryFolder('hub'), config });
  }

  beforeAll(async () => {
    brokers = await startBrokers({ count: 1 });
    [one, other] = [await startHub(), await startHub()];
  });
  afterAll(async () => {
    for (const hub of [one, other]) await hub?.end('SIGKILL');
    await brokers.end();
  });

  test.each(INGEST_PROVIDERS)('that comes to both hubs at the same time is published once: %s', async (provider) => {
    const channel = `ingested.${provider}`;
    const published: string[] = [];
    const pairs = Array.from({ length: AT_ONCE }, async (_, count) => {
      const request = await TEST_PROVIDERS[provider].sign(`at once ${count}`, nowSeconds());
      return Promise.all([one, other].map((hub) => deliver(hub, provider, request)));
    });
    for (const outcomes of await Promise.all(pairs)) {
      const [created, repeated] = outcomes.toSorted((left, right) => right.status - left.status);
      expect([created?.status, repeated]).toEqual([201, DUPLICATE]);
      published.push(created?.id ?? '');
    }
    published.sort();
    expect(new Set(published).size).toBe(AT_ONCE);
    for (const hub of [one, other]) expect(await idsOf(hub, channel, { through: published.at(-1) })).toEqual(published);
  });

  test('that comes again to the other hub is published once, also with another body and another time', async () => {
    const github = await TEST_PROVIDERS.github.sign('again', nowSeconds());
    expect(await deliver(one, 'github', github)).toMatchObject({ status: 201 });
    expect(await deliver(other, 'github', github)).toEqual(DUPLICATE);
    expect(await deliver(one, 'github', github)).toEqual(DUPLICATE);
    const before = await idsOf(other, 'ingested.stripe');
    const { id, status } = await deliver(other, 'stripe', await TEST_PROVIDERS.stripe.sign('evt', nowSeconds()));
    expect(status).toBe(201);
    // Stripe signs a second attempt later.
    const later = await TEST_PROVIDERS.stripe.sign('evt', nowSeconds() + 5);
    expect(await deliver(one, 'stripe', later)).toEqual(DUPLICATE);
    expect(await idsOf(one, 'ingested.stripe', { through: id })).toEqual([...before, id]);
    // The id of another source is another id.
    const shopify = await TEST_PROVIDERS.shopify.sign('again', nowSeconds());
    expect(await deliver(other, 'shopify', shopify)).toMatchObject({ status: 201 });
  });

  test('is verified by the hub that receives it', async () => {
    const first = await deliver(one, 'github', await TEST_PROVIDERS.github.sign('before', nowSeconds()));
    for (const hub of [one, other]) {
      const request = await TEST_PROVIDERS.github.sign('forged', nowSeconds());
      expect(await deliver(hub, 'github', { ...request, body: `${request.body} ` })).toMatchObject({
        status: 403,
        code: 'signature_invalid',
      });
      const old = await TEST_PROVIDERS.standard.sign('old', nowSeconds() - 310);
      expect(await deliver(hub, 'standard', old)).toMatchObject({ status: 403, code: 'signature_expired' });
    }
    const last = await deliver(other, 'github', await TEST_PROVIDERS.github.sign('after', nowSeconds()));
    expect(await idsOf(other, 'ingested.>', { after: first.id })).toEqual([last.id]);
  });

  test('whose answer was lost with its hub is published once', async () => {
    const request = await TEST_PROVIDERS.standard.sign('lost answer', nowSeconds());
    const { id } = await deliver(one, 'standard', request);
    await one.end('SIGKILL');
    const empty = await startHub();
    for (const hub of [other, empty]) expect(await deliver(hub, 'standard', request)).toEqual(DUPLICATE);
    const ids = await idsOf(empty, 'ingested.standard', { through: id });
    await empty.end('SIGKILL');
    expect(ids.filter((each) => each === id)).toEqual([id]);
    expect(ids.at(-1)).toBe(id);
  });
});
