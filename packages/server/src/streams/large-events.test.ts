import { expect, test } from 'vitest';
import { openEndpoint, openSubscriptionHub, type SubscriptionHub } from '../testing/subscription-hub.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

const EVENTS = 1_200;
/** Room for some 130 of these events, so that each of them leaves the tail soon. */
const TAIL_BYTES = 1_048_576;

interface Data {
  readonly number: number;
  readonly text: string;
}

/** 30 to 16,000 bytes: some are copied in the tail, and some are not. */
function dataOf(number: number): Data {
  return { number, text: `${number}.`.repeat(5 + ((number * 577) % 3_000)) };
}

function expectEvents(events: readonly { readonly data: Data }[]): void {
  for (const [index, { data }] of events.entries()) expect(data).toEqual(dataOf(index + 1));
}

async function publishAll(hub: SubscriptionHub): Promise<void> {
  for (let number = 1; number <= EVENTS; number += 4) {
    const events = [0, 1, 2, 3].map((more) => ({ channel: `large.${more}`, data: dataOf(number + more) }));
    const { status, body } = await hub.ask('POST', '/v1/events', events);
    expect([status, body]).toMatchObject([200, events.map(({ channel }) => ({ channel }))]);
  }
}

/** Reads the JSON of each event of a stream. */
async function readStream(hub: SubscriptionHub, accept: string, prefix: string): Promise<{ readonly data: Data }[]> {
  const answer = await fetch(`${hub.url}/v1/events?channel=large.*&after=earliest`, {
    headers: { accept },
  });
  const events: { data: Data }[] = [];
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of answer.body as ReadableStream<Uint8Array>) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith(prefix)) continue;
      const event = JSON.parse(line.slice(prefix.length)) as { data?: Data };
      if (event.data?.text !== undefined) events.push(event as { data: Data });
    }
    if (events.length === EVENTS) break;
  }
  return events;
}

async function pollAll(hub: SubscriptionHub): Promise<{ readonly data: Data }[]> {
  const events: { readonly data: Data }[] = [];
  for (let cursor = 'earliest'; events.length < EVENTS;) {
    const { body } = await hub.ask('GET', `/v1/events?channel=large.*&limit=50&wait=5&after=${cursor}`);
    events.push(...(body['events'] as typeof events));
    cursor = encodeURIComponent(body['cursor'] as string);
  }
  return events;
}

/** Acknowledges forty events at once, so they are held while the tail goes on. */
async function pullAll(hub: SubscriptionHub, id: string): Promise<{ readonly data: Data }[]> {
  const events: { readonly data: Data }[] = [];
  while (events.length < EVENTS) {
    const { body } = await hub.ask('POST', `/v1/subscriptions/${id}/pull`, { count: 40, waitSeconds: 5 });
    const leased = body['events'] as { readonly lease: string; readonly event: { readonly data: Data } }[];
    events.push(...leased.map(({ event }) => event));
    const leases = leased.map(({ lease }) => lease);
    if (leases.length > 0) await hub.ask('POST', `/v1/subscriptions/${id}/ack`, { leases });
  }
  return events;
}

test('large events arrive unchanged everywhere, while the memory of the tail is used again and again', async () => {
  const hub = await openSubscriptionHub({ data: temporaryFolder(), delivery: { tailBytesMax: TAIL_BYTES } });
  // It answers late, so the first events wait for it until long after they have left the tail.
  const published = Promise.withResolvers<void>();
  const endpoint = await openEndpoint((_received, response) => void published.promise.then(() => response.end()));
  await hub.create({
    channels: ['large.*'],
    ordering: 'per-channel',
    delivery: { kind: 'webhook', url: endpoint.url },
  });
  const { id } = await hub.create({ channels: ['large.*'], ordering: 'none', delivery: { kind: 'pull' } });
  const [streamed, lines, polled, pulled] = await Promise.all([
    readStream(hub, 'text/event-stream', 'data: '),
    readStream(hub, 'application/x-ndjson', ''),
    pollAll(hub),
    pullAll(hub, id as string),
    publishAll(hub).then(published.resolve),
  ]);
  for (const events of [streamed, lines, polled]) expectEvents(events);
  expectEvents(inOrder(pulled));
  await expect.poll(() => endpoint.received.length, { timeout: 30_000 }).toBe(EVENTS);
  expectEvents(inOrder(endpoint.received.map(({ body }) => JSON.parse(body) as { readonly data: Data })));
});

function inOrder(events: readonly { readonly data: Data }[]): readonly { readonly data: Data }[] {
  return events.toSorted((one, other) => one.data.number - other.data.number);
}
