import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { Feed } from '../core/feed.ts';
import type { Log } from '../core/ports.ts';
import { Publisher } from '../core/publish.ts';
import { ChannelRules } from '../core/access/channel-rules.ts';
import { parseConfig } from '../config/parse.ts';
import type { NewSubscription } from '../subscriptions/state/ports.ts';
import type { SubscriptionStore } from '../subscriptions/state/subscription-store.ts';
import type { SubscriptionSettings } from '../subscriptions/settings.ts';
import { createBodyEncoder } from '../storage/shared/body-encoder.ts';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import { fastWorld, systemWorld, type World } from '../operate/world.ts';
import { createSender } from '../outgoing/sender.ts';
import { standard } from '../subscriptions/dialects/standard/dialect.ts';
import { DIALECTS } from '../subscriptions/dialects/registry.ts';
import { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import { NO_JOURNAL } from '../subscriptions/state/in-flight-journal.ts';
import {
  createMemorySubscriptionStore,
  createMemoryState,
  type MemoryState,
} from '../storage/memory/memory-subscription-store.ts';

/** The defaults of the configuration, with room for more subscriptions. */
export const SETTINGS: SubscriptionSettings = { ...parseConfig({}).subscriptions, subscriptionsMax: 100_000 };

/** The data that outlives a hub in a test. */
export interface PersistedState {
  readonly log: Log;
  readonly state: MemoryState;
}

export interface SubscriptionKit extends PersistedState {
  readonly engine: SubscriptionEngine;
  readonly feed: Feed;
  readonly store: SubscriptionStore;
  /** Creates a subscription, and returns its id. */
  create(subscription: NewSubscription): Promise<string>;
  publish(channel: string, data: unknown, type?: string): Promise<number>;
  close(): Promise<void>;
}

/**
 * A hub's subscriptions without its HTTP side: a log in memory, with the real engine and the real
 * sender.
 */
export async function openSubscriptionKit({
  persisted = { log: createMemoryLog(), state: createMemoryState() },
  settings = {},
  speed = 1,
  world = speed === 1 ? systemWorld : fastWorld(speed),
}: {
  persisted?: PersistedState;
  settings?: Partial<SubscriptionSettings>;
  speed?: number;
  world?: World;
} = {}): Promise<SubscriptionKit> {
  const { log, state } = persisted;
  const { feed, publisher } = createCore(log, world);
  const store = createMemorySubscriptionStore(state);
  const engine = new SubscriptionEngine({
    log,
    feed,
    publisher,
    ...world,
    store,
    dialects: DIALECTS,
    sender: createLoopbackSender(),
    inFlightJournal: NO_JOURNAL,
    logger: { info: () => undefined, warn: () => undefined },
    origin: 'hub.test',
    answered: () => undefined,
    liveEvents: () => 0,
    settings: { ...SETTINGS, ...settings },
  });
  await feed.preload();
  engine.start();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= engine.close());
  onTestFinished(close);
  return {
    log,
    state,
    engine,
    feed,
    store,
    async create(options) {
      return (await engine.subscriptions.create(options)).subscription.definition.id;
    },
    async publish(channel, data, type) {
      const content = `"data":${JSON.stringify(data)}`;
      const request = { channel, type, content, idempotencyKey: undefined, ifMatch: undefined };
      const result = await publisher.publishOne(request);
      if (!result.ok) throw result.error;
      return result.position;
    },
    close,
  };
}

/** The path of an event, without limits that a test would reach. */
function createCore(log: Log, world: World): { readonly feed: Feed; readonly publisher: Publisher } {
  const rules = new ChannelRules([], {
    retain: 'history',
    historyCountMax: undefined,
    historyAgeMaxMs: undefined,
    historyBytesMax: undefined,
    eventBytesMax: 1_000_000,
    publishRatePerSecond: undefined,
    publishBurst: 1,
    userPublishRatePerSecond: undefined,
    userPublishBurst: 1,
  });
  const feed = new Feed(log, {
    tailBytesMax: 1_000_000,
    batchBytesMax: 65_536,
    pollBytesMax: 65_536,
    logReadsConcurrentMax: 8,
    isLatestOnly: () => false,
    isStored: () => true,
    allocate: (bytes) => new Uint8Array(bytes),
    onDelivered: () => undefined,
  });
  const publisher = new Publisher(log, rules, world.clock, {
    appendQueueBytesMax: 1e9,
    encode: createBodyEncoder(),
    fingerprint: (text) => text,
    onAppended: () => undefined,
  });
  return { feed, publisher };
}

function createLoopbackSender(): ReturnType<typeof createSender> {
  return createSender({
    allow: [],
    deny: [],
    ports: [80],
    loopback: true,
    httpsOnly: false,
    userAgent: 'test',
    nameServers: [],
    proxy: null,
    proxyConnectTo: 'address',
    connectionsMax: 10_000,
    connectionsPerHostMax: 256,
    onClientError: (error) => {
      throw error;
    },
  });
}

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly url: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** The answer to requests, by default 204. */
  answer: (received: Received, response: ServerResponse, request: IncomingMessage) => void;
  /** Resolves when the received requests satisfy a condition. */
  until(condition: (received: readonly Received[]) => boolean): Promise<void>;
}

/** An endpoint on loopback. */
export async function openReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const waiting: { condition: (received: readonly Received[]) => boolean; resolve: () => void }[] = [];
  const receiver: Receiver = {
    url: '',
    received,
    answer: answerWith(204),
    until(condition) {
      if (condition(received)) return Promise.resolve();
      return new Promise((resolve) => waiting.push({ condition, resolve }));
    },
  };
  // It closes no idle connection. After a pause it would close one with a request that it has
  // not read yet.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const one = { headers: request.headers, body: Buffer.concat(pieces).toString(), url: request.url ?? '' };
      received.push(one);
      receiver.answer(one, response, request);
      for (const each of waiting.splice(0)) {
        if (each.condition(received)) each.resolve();
        else waiting.push(each);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(receiver, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` });
}

/** An answer with a status only, for `Receiver.answer`. */
export function answerWith(status: number): Receiver['answer'] {
  return (_received, response) => response.writeHead(status).end();
}

/** A trusted webhook with the defaults of the tests. */
export function webhook(url: string, options: Partial<NewSubscription> = {}, delivery: object = {}): NewSubscription {
  return {
    owner: { key: undefined, user: undefined },
    description: '',
    metadata: {},
    channels: ['a.>'],
    types: undefined,
    filter: undefined,
    ordering: 'per-channel',
    ratePerSecond: undefined,
    concurrencyMax: 16,
    endsMs: undefined,
    idempotency: undefined,
    cursor: 0,
    isTrusted: true,
    ...options,
    delivery: {
      kind: 'webhook',
      url,
      dialect: standard.name,
      format: 'event',
      headers: {},
      batch: undefined,
      // Longer than any pause of a busy machine: an answer that has arrived is no timeout.
      timeoutMs: 60_000,
      retryDelaysMs: [1000, 1000, 1000],
      secrets: [{ text: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', endsMs: undefined }],
      ...delivery,
    } as NewSubscription['delivery'],
  };
}
