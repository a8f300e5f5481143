import { expect, onTestFinished } from 'vitest';
import { describeApi, type ApiDescription, type Operation } from '../http/openapi/operations.ts';
import { TEST_PROVIDERS } from '../ingest/testing.ts';
import { openEndpoint, openSubscriptionHub, waitUntil, type SubscriptionHub } from './subscription-hub.ts';

/** A request, and the status of its response. */
export interface Trial {
  readonly path?: string;
  readonly body?: unknown;
  readonly status?: number;
  readonly form?: true;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A hub, its description, and a request for each operation that succeeds. */
export interface TriedHub {
  readonly hub: SubscriptionHub;
  readonly api: ApiDescription;
  /** By operation, in the order in which they run: what creates comes before what removes. */
  readonly trials: Trials;
}

export async function openTriedHub(): Promise<TriedHub> {
  const { url } = await openEndpoint(({ url: asked }, response) => {
    response.statusCode = asked.includes('fails') ? 500 : 200;
    response.end();
  });
  const hub = await openSubscriptionHub({
    access: 'rules',
    rules: [{ pattern: 'members', subscribe: 'anyone', presence: 'anyone' }],
    ingest: [
      { source: 'github', provider: 'github', channel: 'ingested', keys: [{ secret: TEST_PROVIDERS.github.secret }] },
    ],
    outgoing: { allow: [new URL(url).host] },
    subscriptions: { trustedEndpoints: [new URL(url).origin] },
  });
  const resources = await prepareResources(hub, url);
  const trials = {
    ...hubAndEventTrials(resources),
    ...accessTrials(resources),
    ...subscriptionTrials(resources),
    ...dialectAndErasureTrials(resources),
  };
  return { hub, api: describeApi(hub.routes), trials };
}

/** Sends the request of an operation, as the administrator. */
export function tryOperation(
  { hub }: TriedHub,
  { method, path }: Operation,
  { path: triedPath = path, body, form, headers }: Trial,
): Promise<Response> {
  return fetch(hub.url + triedPath, {
    method,
    headers: {
      authorization: `Bearer ${hub.firstKey}`,
      ...headers,
      ...(body !== undefined && { 'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json' }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

type Resources = Awaited<ReturnType<typeof prepareResources>>;
type Trials = Readonly<Record<string, Trial>>;

/** Makes what the operations read, change and remove. `url` is an endpoint that receives. */
async function prepareResources(hub: SubscriptionHub, url: string) {
  const { body: key } = await hub.ask('POST', '/v1/keys', { name: 'tried', scopes: { publish: ['>'] } });
  const event = await hub.publish('orders.1', { total: 42 }, 'order.paid');
  const queue = await hub.create({ channels: ['orders.>'], delivery: { kind: 'pull' }, start: 'earliest' });
  const webhook = await hub.create({ channels: ['orders.>'], delivery: { kind: 'webhook', url } });
  const keyPath = `/v1/keys/${String(key['id'])}`;
  const pullPath = `/v1/subscriptions/${String(queue['id'])}`;
  const hookPath = `/v1/subscriptions/${String(webhook['id'])}`;
  const { body: pulled } = await hub.ask('POST', `${pullPath}/pull`, {});
  const [first] = pulled['events'] as { lease: string }[];
  const leases = [first?.lease];
  const failing = await hub.create({
    channels: ['dead.*'],
    delivery: { kind: 'webhook', url: `${url}?fails`, retryDelaysSeconds: [] },
  });
  const deadLetters = `/v1/subscriptions/${String(failing['id'])}/dead-letters`;
  const [one, other] = [await hub.publish('dead.1', 1), await hub.publish('dead.2', 2)];
  await waitUntil(async () => expect((await hub.ask('GET', deadLetters)).body['deadLetters']).toHaveLength(2));
  const delivery = await TEST_PROVIDERS.github.sign('one', 0);
  const stream = await fetch(`${hub.url}/v1/events?channel=orders.1`, {
    headers: { accept: 'text/event-stream', authorization: `Bearer ${hub.firstKey}` },
  });
  const { body: live } = await hub.ask('GET', '/v1/sessions');
  const [session] = live['sessions'] as { session: string }[];
  onTestFinished(() => stream.body?.cancel().catch(() => undefined));
  const { body: hook } = await hub.ask('POST', '/v1/hooks', { target_url: `${url}?2`, event: 'news' });
  const { body: portal } = await hub.ask('POST', '/v1/portal-links', { owner: 'acme', channels: ['orders.>'] });
  const { hash } = new URL(String(portal['url']));
  const { body: erasure } = await hub.ask('DELETE', '/v1/channels/erased');
  return {
    url,
    adminKey: hub.firstKey,
    hubUrl: hub.url,
    event,
    leases,
    delivery,
    oneDead: one,
    otherDead: other,
    keyPath,
    pullPath,
    hookPath,
    deadLetters,
    sessionId: session?.session,
    hookId: String(hook['id']),
    portalToken: hash.replace('#token=', ''),
    erasureId: String(erasure['id']),
  };
}

function hubAndEventTrials({ adminKey, event, delivery, sessionId }: Resources): Trials {
  return {
    health: {},
    ready: {},
    metrics: {},
    asyncApi: {},
    openApi: {},
    readStatus: { path: '/v1/status' },
    readStatusHistory: { path: '/v1/status/history' },
    readConfiguration: {},
    // The hub is not a part of a cluster. `conformance/cluster/inspection.slow.test.ts` has one.
    readCluster: { status: 404 },
    readConsoleSession: {},
    logInToConsole: { body: { credential: adminKey } },
    logOutOfConsole: { status: 204 },
    publishEvents: { body: { channel: 'orders.2', data: 1 }, status: 201 },
    publishToChannel: { path: '/v1/channels/orders.1/events', body: { total: 1 }, status: 201 },
    publishToUser: { path: '/v1/users/ann/events', body: { data: 1 }, status: 201 },
    ingest: { path: '/v1/ingest/github', status: 201, ...delivery },
    publishToUsers: { body: { users: ['ann', 'bob'], data: 1 } },
    readEvents: { path: '/v1/events?channel=orders.>&after=earliest' },
    readChannel: { path: '/v1/channels/orders.1' },
    readHistory: { path: '/v1/channels/orders.1/history' },
    readPresence: { path: '/v1/channels/members/presence' },
    listChannels: {},
    listUsers: { path: '/v1/users?online=true' },
    readUser: { path: '/v1/users/ann' },
    disconnectUser: { path: '/v1/users/ann/disconnect', body: { reason: 'tried' } },
    reauthenticateUser: { path: '/v1/users/ann/reauthenticate' },
    listSessions: {},
    readSession: { path: `/v1/sessions/${sessionId}` },
    explainEvent: { path: `/v1/explain?event=${event}&session=${sessionId}` },
    endSession: { path: `/v1/sessions/${sessionId}` },
  };
}

function accessTrials({ keyPath }: Resources): Trials {
  return {
    listKeys: {},
    createKey: { body: { name: 'made', scopes: { subscribe: ['>'] } }, status: 201 },
    readKey: { path: keyPath },
    changeKey: { path: keyPath, body: { name: 'renamed' } },
    rotateKey: { path: `${keyPath}/rotate` },
    revoke: { body: { user: 'ann' }, status: 201 },
    readAudit: {},
    reloadConfiguration: {},
    explainAccess: { path: '/v1/access/explain?user=ann&subscribe=orders.1' },
    revokeKey: { path: keyPath, status: 204 },
  };
}

function subscriptionTrials({
  url,
  event,
  leases,
  oneDead,
  otherDead,
  pullPath,
  hookPath,
  deadLetters,
}: Resources): Trials {
  return {
    createSubscription: { body: { channels: ['a'], delivery: { kind: 'webhook', url: `${url}?1` } }, status: 201 },
    putSubscription: {
      path: '/v1/subscriptions/warehouse',
      body: { channels: ['orders.>'], delivery: { kind: 'pull' } },
      status: 201,
    },
    listSubscriptions: {},
    readSubscription: { path: hookPath },
    changeSubscription: { path: hookPath, body: { description: 'changed' } },
    pauseSubscription: { path: `${hookPath}/pause` },
    resumeSubscription: { path: `${hookPath}/resume` },
    testSubscription: { path: `${hookPath}/test` },
    rotateSubscriptionSecret: { path: `${hookPath}/rotate-secret` },
    replaySubscription: { path: `${hookPath}/replay`, body: { after: 'earliest' }, status: 202 },
    listReplays: { path: `${hookPath}/replays` },
    listAttempts: { path: `${hookPath}/attempts` },
    readSubscriptionEvent: { path: `${hookPath}/events/${event}` },
    pullEvents: { path: `${pullPath}/pull`, body: {} },
    extendLeases: { path: `${pullPath}/extend`, body: { leases } },
    giveBackEvents: { path: `${pullPath}/nack`, body: { leases: ['unknown'] } },
    acknowledgeEvents: { path: `${pullPath}/ack`, body: { leases } },
    listDeadLetters: { path: deadLetters },
    readDeadLetter: { path: `${deadLetters}/${oneDead}` },
    discardDeadLetter: { path: `${deadLetters}/${otherDead}` },
    retryDeadLetter: { path: `${deadLetters}/${oneDead}/retry`, status: 202 },
    retryDeadLetters: { path: `${deadLetters}/retry`, status: 202 },
    discardDeadLetters: { path: deadLetters },
    traceEvent: { path: `/v1/events/${event}/deliveries` },
    removeSubscription: { path: hookPath, status: 204 },
  };
}

function dialectAndErasureTrials({ url, hubUrl, event, hookId, portalToken, erasureId }: Resources): Trials {
  return {
    askWebSub: {
      body: `hub.mode=publish&hub.url=${encodeURIComponent(`${hubUrl}/v1/channels/orders.1`)}`,
      form: true,
      status: 204,
    },
    createHook: { body: { target_url: url, event: 'news' }, status: 201 },
    listHooks: {},
    readHookSamples: { path: '/v1/hooks/samples?event=orders.1' },
    readHook: { path: `/v1/hooks/${hookId}` },
    deleteHook: { path: `/v1/hooks/${hookId}` },
    deleteHooks: { body: { target_url: url } },
    listEventTypes: {},
    createPortalLink: { body: { owner: 'acme', channels: ['orders.>'] }, status: 201 },
    readPortal: { headers: { authorization: `Bearer ${portalToken}` } },
    listErasures: {},
    readErasure: { path: `/v1/erasures/${erasureId}` },
    eraseEvent: { path: `/v1/events/${event}`, status: 202 },
    eraseChannel: { path: '/v1/channels/orders.2', status: 202 },
    eraseUser: { path: '/v1/users/ann/data', status: 202 },
  };
}
