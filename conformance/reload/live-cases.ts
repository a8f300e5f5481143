import { pause, until } from '../kit/wait.ts';
import { PARTNER, signedDelivery } from '../identity/kit/partner.ts';
import { ISSUER, signToken } from '../identity/kit/tokens.ts';
import type { LiveHub, Tree } from './live-hub.ts';

const SECRET = 'a secret of at least thirty-two bytes';
const ISSUERS = [{ issuer: ISSUER, audience: 'polycast', keys: [{ algorithm: 'HS256', secret: SECRET }] }];
const KIB = 1024;
const LOW_RATES = { publishRatePerSecond: 1, publishBurst: 1 };
/** The largest burst is 3, at a rate of one a second. */
const FULL_AGAIN_MS = 4000;

/** The configuration of the hub on which the settings change. */
export const BASE: Tree = {
  access: 'rules',
  identity: { tokens: ISSUERS },
  storage: { retentionIntervalMs: 10 },
  // Anyone may use `open`. The other channels have the defaults.
  rules: [
    { pattern: 'open.>', subscribe: 'anyone', publish: 'anyone', userPublishRatePerSecond: null },
    { pattern: 'slow.>', ...LOW_RATES },
    { pattern: 'clients.>', publish: 'anyone', userPublishRatePerSecond: 1, userPublishBurst: 1 },
  ],
  defaults: { presence: 'server', eventBytesMax: 40 * KIB },
  // What one case has taken of a client's tokens is back at once for the next case.
  limits: { bodyBytesMax: 64 * KIB, clientPublishRatePerSecond: 1_000_000 },
  drain: { timeMs: 600_000 },
};

/** The effect of one live setting: what a client sees before and after its change. */
export interface LiveCase {
  readonly value: unknown;
  readonly observe: (hub: LiveHub, isChanged: boolean) => Promise<unknown>;
  readonly before: unknown;
  readonly after: unknown;
}

/** Publishes events of this length as a server; returns the statuses. */
async function published(hub: LiveHub, channel: string, count: number, data: unknown = 1): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < count; index++)
    statuses.push((await hub.asServer('POST', '/v1/events', { channel, data })).status);
  return statuses;
}

/**
 * What `publish` returns from a run of less than a second: at a rate of one a second, a delay lets
 * one more in. After a delay it runs again, with full buckets.
 */
async function withinASecond<Result>(publish: () => Promise<Result>): Promise<Result> {
  for (;;) {
    const startMs = performance.now();
    const result = await publish();
    if (performance.now() - startMs < 1000) return result;
    await pause(FULL_AGAIN_MS);
  }
}

/** Publishes as a server on a new channel; returns the statuses. */
function publishedAtOnce(hub: LiveHub, count: number): Promise<number[]> {
  return withinASecond(() => published(hub, hub.channel(), count));
}

/** Publishes as an anonymous client; returns how many events were accepted. */
function acceptedOf(hub: LiveHub, channel: string, count: number): Promise<number> {
  return withinASecond(async () => {
    const replies = await Promise.all(
      Array.from({ length: count }, () => hub.request('POST', '/v1/events', { channel, data: 1 })),
    );
    return replies.filter(({ status }) => status === 201).length;
  });
}

/** The stored events of a new channel with three events, once retention has run. */
async function storedOfThree(hub: LiveHub, wanted: number): Promise<number> {
  const channel = hub.channel();
  await published(hub, channel, 3, 'x'.repeat(500));
  return remaining(hub, channel, wanted);
}

/** The stored events of a channel, once retention has left at most this many. */
async function remaining(hub: LiveHub, channel: string, wanted: number): Promise<number> {
  const stored = async (): Promise<number> => {
    const { channels } = (await hub.asServer('GET', `/v1/channels?match=${channel}`)).json<{
      channels: { events: number }[];
    }>();
    return channels[0]?.events ?? 0;
  };
  if (wanted < 3) await until(`${wanted} events are left`, async () => (await stored()) <= wanted);
  return stored();
}

async function statusOf(reply: Promise<{ readonly status: number }>): Promise<number> {
  return (await reply).status;
}

const BEARER = (user: string): string => `Authorization: Bearer ${signToken(SECRET, user)}\r\n`;

function poll(hub: LiveHub, query: string): Promise<number> {
  return statusOf(hub.request('GET', `/v1/events?${query}`));
}

function trimmed(value: unknown, after: number): LiveCase {
  return { value, before: 3, after, observe: (hub, isChanged) => storedOfThree(hub, isChanged ? after : 3) };
}

/** One case for each live setting that a running process can show. */
export const LIVE_CASES: Readonly<Record<string, LiveCase>> = {
  allowedOrigins: {
    value: ['https://shop.example'],
    before: 403,
    after: 200,
    observe: (hub) =>
      statusOf(hub.request('GET', '/v1/events?channel=open.1', undefined, { Origin: 'https://shop.example' })),
  },
  'defaults.retain': {
    value: 'latest',
    before: 2,
    after: 1,
    observe: async (hub) => {
      const channel = hub.channel();
      await published(hub, channel, 2);
      const reply = await hub.asServer('GET', `/v1/events?channel=${channel}&after=earliest`);
      return reply.json<{ events: unknown[] }>().events.length;
    },
  },
  'defaults.historyCountMax': trimmed(1, 1),
  'defaults.historyAgeMaxSeconds': {
    value: 1,
    before: 3,
    after: 0,
    observe: async (hub, isChanged) => {
      if (!isChanged) {
        await published(hub, 'live.old', 3);
        await new Promise((resolve) => setTimeout(resolve, 1100));
      }
      return remaining(hub, 'live.old', isChanged ? 0 : 3);
    },
  },
  'defaults.historyBytesMax': trimmed(1024, 1),
  'defaults.eventBytesMax': {
    value: 100,
    before: 201,
    after: 413,
    observe: async (hub) => (await published(hub, hub.channel(), 1, 'x'.repeat(200)))[0],
  },
  'defaults.publishRatePerSecond': {
    value: 1,
    before: [201, 201],
    after: [201, 429],
    observe: (hub) => publishedAtOnce(hub, 2),
  },
  'defaults.publishBurst': {
    value: 3,
    before: [201, 201, 201, 201],
    after: [201, 201, 201, 429],
    // The rate comes with the burst: see `WITH`.
    observe: (hub) => publishedAtOnce(hub, 4),
  },
  'defaults.userPublishRatePerSecond': {
    value: 1,
    before: 0,
    after: 2,
    observe: (hub) => acceptedOf(hub, hub.channel(), 8),
  },
  'defaults.userPublishBurst': {
    value: 3,
    before: 0,
    after: 3,
    observe: (hub) => acceptedOf(hub, hub.channel(), 8),
  },
  'defaults.eventTypeCheck': {
    value: 'known',
    before: [201],
    after: [422],
    observe: (hub) => published(hub, hub.channel(), 1),
  },
  'defaults.subscribe': {
    value: 'anyone',
    before: 401,
    after: 200,
    observe: (hub) => poll(hub, `channel=${hub.channel()}`),
  },
  'defaults.publish': {
    value: 'anyone',
    before: 401,
    after: 201,
    observe: (hub) => statusOf(hub.request('POST', '/v1/events', { channel: hub.channel(), data: 1 })),
  },
  'defaults.history': {
    value: 'server',
    before: [401, 401],
    // Without it, everyone who may subscribe could read the history.
    after: [200, 401],
    observe: async (hub) => {
      const channel = hub.channel();
      const history = hub.request('GET', `/v1/channels/${channel}/history`);
      return [await poll(hub, `channel=${channel}`), await statusOf(history)];
    },
  },
  'defaults.presence': {
    value: 'anyone',
    before: 401,
    after: 200,
    observe: (hub) => statusOf(hub.request('GET', `/v1/channels/${hub.channel()}/presence`)),
  },
  rules: { value: [], before: 200, after: 401, observe: (hub) => poll(hub, 'channel=open.1') },
  ingest: {
    value: [PARTNER],
    before: 404,
    after: 201,
    observe: (hub) => {
      const { body, headers } = signedDelivery();
      return statusOf(hub.request('POST', '/v1/ingest/partner', body, headers));
    },
  },
  'identity.tokens': {
    value: [],
    before: 200,
    after: 401,
    observe: (hub) =>
      statusOf(
        hub.request('GET', '/v1/events?channel=open.1', undefined, {
          Authorization: `Bearer ${signToken(SECRET, 'ada')}`,
        }),
      ),
  },
  'limits.connectionsMax': {
    // The observer has one.
    value: 2,
    before: [200, 200, 200],
    after: [200, 503, 503],
    observe: (hub) => hub.streams(3),
  },
  'limits.connectionsPerUserMax': {
    value: 1,
    before: [200, 200],
    after: [200, 429],
    observe: (hub) => hub.streams(2, BEARER('ada')),
  },
  'limits.connectionsPerAddressMax': {
    value: 1,
    before: [200, 200],
    after: [200, 429],
    observe: (hub) => hub.streams(2),
  },
  'limits.socketsPerAddressMax': {
    value: 1,
    before: [200, 200],
    after: [200, 429],
    observe: (hub) => hub.streams(2),
  },
  'limits.webSocketEntryTimeoutMs': {
    value: 250,
    before: [],
    after: [4408],
    observe: (hub, isChanged) => hub.webSocket([], isChanged ? 1 : 0, 1500),
  },
  'limits.clientPublishRatePerSecond': {
    value: 1,
    before: 8,
    after: 2,
    observe: (hub) => acceptedOf(hub, 'open.rate', 8),
  },
  'limits.clientPublishBurst': {
    value: 3,
    before: 8,
    after: 3,
    observe: (hub) => acceptedOf(hub, 'open.burst', 8),
  },
  'limits.bodyBytesMax': {
    value: 40 * KIB,
    before: 201,
    after: 413,
    observe: (hub) =>
      statusOf(hub.asServer('POST', '/v1/events', `{"channel":"${hub.channel()}","data":1}${' '.repeat(50 * KIB)}`)),
  },
  'limits.bodiesBytesMax': {
    value: 64 * KIB,
    before: 0,
    after: 503,
    observe: (hub, isChanged) => hub.incompleteBodies(3, 48 * KIB, isChanged, `Authorization: Bearer ${hub.key}\r\n`),
  },
  'limits.clientBodiesBytesMax': {
    value: 64 * KIB,
    before: 0,
    after: 503,
    observe: (hub, isChanged) => hub.incompleteBodies(3, 48 * KIB, isChanged),
  },
  'limits.answersBytesMax': {
    value: 64 * KIB,
    before: '268435456',
    after: '65536',
    observe: async (hub) => heldMax((await hub.request('GET', '/metrics')).text),
  },
  'limits.bodyTimeoutMs': {
    value: 100,
    before: 0,
    after: 408,
    observe: (hub, isChanged) => hub.incompleteBodies(1, 10, isChanged),
  },
  'limits.batchEventsMax': {
    value: 1,
    before: 200,
    after: 413,
    observe: (hub) => {
      const event = { channel: hub.channel(), data: 1 };
      return statusOf(hub.asServer('POST', '/v1/events', [event, event]));
    },
  },
  'limits.messageBytesMax': {
    value: KIB,
    before: ['invalid_message'],
    after: [1009],
    observe: (hub) => hub.webSocket([{ op: 'x'.repeat(2000), ref: 1 }], 1),
  },
  'limits.clientChannelsPercent': {
    value: 0,
    before: 1,
    after: 0,
    observe: (hub) => acceptedOf(hub, `open.${hub.channel()}`, 1),
  },
  'limits.appendQueueBytesMax': {
    value: 64 * KIB,
    before: false,
    after: true,
    observe: async (hub) => {
      const data = 'x'.repeat(39 * KIB);
      const operation = (ref: number) => ({ op: 'publish', ref, channel: 'open.queue', data });
      // A slow reader of messages may hand them over one after the other.
      return (await hub.webSocket([1, 2, 3, 4].map(operation), 4, 0, true)).includes('overloaded');
    },
  },
  'logging.level': {
    value: 'debug',
    before: false,
    after: true,
    observe: async (hub, isChanged) => {
      const mark = hub.process.log().length;
      const isLogged = (): boolean => hub.process.log().slice(mark).includes('access: request refused');
      await hub.request('GET', '/v1/audit');
      if (isChanged) await until('it is logged', isLogged);
      else await pause(100);
      return isLogged();
    },
  },
};

/** Settings that a case needs beside its own. */
export const WITH: Readonly<Record<string, readonly (readonly [path: string, value: unknown])[]>> = {
  'defaults.history': [['defaults.subscribe', 'anyone']],
  'defaults.publishBurst': [['defaults.publishRatePerSecond', 1]],
  'defaults.userPublishRatePerSecond': [['defaults.publish', 'anyone']],
  'defaults.userPublishBurst': [
    ['defaults.publish', 'anyone'],
    ['defaults.userPublishRatePerSecond', 1],
  ],
  'limits.clientPublishBurst': [['limits.clientPublishRatePerSecond', 1]],
};

function heldMax(metrics: string): string | undefined {
  return /polycast_buffer_limit_bytes\{[^}]*"unread_responses"[^}]*\} (\d+)/.exec(metrics)?.[1];
}
