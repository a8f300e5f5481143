import type { ClientMessage } from '@polycast/protocol';
import type { Caller, CallerName } from './callers.ts';
import { CHANNELS } from './channels.ts';
import { signedDelivery } from './kit/partner.ts';
import {
  deadLetterToTry,
  erasureToRead,
  eventToErase,
  DELIVERY_CHANNEL,
  hookToTry,
  keyToTry,
  UNUSED_ADDRESS,
  queueToTry,
  sessionToTry,
  subscriptionToTry,
  type TestWorld,
} from './kit/world.ts';

/**
 * The permission that an operation requires. `nothing`: none, and credentials are not checked.
 * `entry`: valid credentials or none. `subscribe`, `history`, `publish`: a permission for a
 * channel, so the row is tested with a channel of each kind. Otherwise the allowed callers are
 * named.
 */
export type Permission = 'nothing' | 'entry' | 'subscribe' | 'history' | 'publish' | readonly CallerName[];

/** A request other than those of the ways to read and publish. */
export interface PreparedRequest {
  readonly path: string;
  readonly body?: unknown;
  /** In addition to those of the credentials. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteRow {
  readonly permission: Permission;
  /** Callers who get `not_found`. */
  readonly hiddenFrom?: readonly CallerName[];
  /** The request; left out for channel routes, which have ways of their own. */
  readonly request?: (world: TestWorld, caller: Caller) => PreparedRequest | Promise<PreparedRequest>;
}

const ADMINS: readonly CallerName[] = ['admin', 'key for administration'];
/** Callers who may administer users, for example log them out. */
const USER_ADMINS: readonly CallerName[] = [...ADMINS, 'key for users'];
/**
 * Callers who may administer subscriptions. Subscriptions of channels outside of a key's scopes do
 * not exist for it.
 */
const SUBSCRIBERS: readonly CallerName[] = [
  'admin',
  'key for subscriptions',
  'key for these subscriptions and their channels',
];
const OTHER_SUBSCRIBERS: readonly CallerName[] = ['key for other subscriptions'];
/** Callers who may also have events delivered. */
const DELIVERED_TO: readonly CallerName[] = ['admin', 'key for these subscriptions and their channels'];
const PUBLISHERS: readonly CallerName[] = ['admin', 'key with it'];
/** For the channel with presence: callers who may read it. */
const MEMBERS: readonly CallerName[] = CHANNELS.find(({ channel }) => channel === 'members.news')?.subscribe ?? [];

/**
 * A row for every operation of `/openapi.json`. Permissions for channels are tested with all ways
 * to read or publish.
 */
export const ROUTES: Readonly<Record<string, RouteRow>> = {
  'GET /v1/events': { permission: 'subscribe' },
  'POST /v1/events': { permission: 'publish' },
  'POST /v1/channels/{channel}/events': { permission: 'publish' },
  'GET /v1/channels/{channel}': { permission: 'subscribe' },
  'GET /v1/channels/{channel}/history': { permission: 'history' },
  'GET /v1/channels/{channel}/presence': {
    permission: MEMBERS,
    request: () => ({ path: '/v1/channels/members.news/presence' }),
  },
  'POST /v1/users/{user}/events': {
    permission: PUBLISHERS,
    request: () => ({ path: '/v1/users/nobody%20in%20particular/events', body: { data: 'tried' } }),
  },
  'POST /v1/users/events': {
    permission: PUBLISHERS,
    request: () => ({ path: '/v1/users/events', body: { user: 'nobody in particular', data: 'tried' } }),
  },
  'POST /v1/ingest/{source}': {
    permission: 'nothing',
    request: () => ({ path: '/v1/ingest/partner', ...signedDelivery() }),
  },
  'GET /v1/users': { permission: USER_ADMINS, request: () => ({ path: '/v1/users?online=true' }) },
  'GET /v1/channels': { permission: [...ADMINS, 'key with it'], request: () => ({ path: '/v1/channels' }) },
  'GET /v1/users/{user}': { permission: USER_ADMINS, request: () => ({ path: '/v1/users/7' }) },
  'POST /v1/users/{user}/disconnect': {
    permission: USER_ADMINS,
    request: () => ({ path: '/v1/users/nobody%20in%20particular/disconnect', body: {} }),
  },
  'POST /v1/users/{user}/reauthenticate': {
    permission: USER_ADMINS,
    request: () => ({ path: '/v1/users/nobody%20in%20particular/reauthenticate', body: {} }),
  },
  'GET /healthz': { permission: 'nothing', request: () => ({ path: '/healthz' }) },
  'GET /readyz': { permission: 'nothing', request: () => ({ path: '/readyz' }) },
  'GET /metrics': { permission: 'nothing', request: () => ({ path: '/metrics' }) },
  'GET /asyncapi.json': { permission: 'nothing', request: () => ({ path: '/asyncapi.json' }) },
  'GET /openapi.json': { permission: 'nothing', request: () => ({ path: '/openapi.json' }) },
  'GET /v1/keys': { permission: ADMINS, request: () => ({ path: '/v1/keys' }) },
  'POST /v1/keys': {
    permission: ADMINS,
    request: () => ({ path: '/v1/keys', body: { name: 'tried', scopes: { admin: ['>'] } } }),
  },
  'GET /v1/keys/{id}': {
    permission: ADMINS,
    request: async (world) => ({ path: `/v1/keys/${await keyToTry(world)}` }),
  },
  'PATCH /v1/keys/{id}': {
    permission: ADMINS,
    request: async (world) => ({ path: `/v1/keys/${await keyToTry(world)}`, body: { scopes: { admin: ['>'] } } }),
  },
  'DELETE /v1/keys/{id}': {
    permission: ADMINS,
    request: async (world) => ({ path: `/v1/keys/${await keyToTry(world)}` }),
  },
  'POST /v1/keys/{id}/rotate': {
    permission: ADMINS,
    request: async (world) => ({ path: `/v1/keys/${await keyToTry(world)}/rotate`, body: {} }),
  },
  'POST /v1/revocations': {
    permission: ADMINS,
    request: () => ({ path: '/v1/revocations', body: { user: 'nobody in particular' } }),
  },
  'DELETE /v1/events/{id}': {
    permission: ADMINS,
    request: async (world) => ({ path: `/v1/events/${await eventToErase(world)}` }),
  },
  'DELETE /v1/channels/{channel}': { permission: ADMINS, request: () => ({ path: '/v1/channels/no.such.channel' }) },
  'DELETE /v1/users/{user}/data': {
    permission: ADMINS,
    request: () => ({ path: '/v1/users/nobody%20in%20particular/data' }),
  },
  'GET /v1/erasures': { permission: ADMINS, request: () => ({ path: '/v1/erasures' }) },
  'GET /v1/erasures/{erasure}': {
    permission: ADMINS,
    request: async (world) => ({ path: `/v1/erasures/${await erasureToRead(world)}` }),
  },
  'GET /v1/audit': { permission: ADMINS, request: () => ({ path: '/v1/audit' }) },
  'GET /v1/sessions': { permission: ADMINS, request: () => ({ path: '/v1/sessions' }) },
  'GET /v1/sessions/{session}': {
    permission: ADMINS,
    request: async (world) => ({ path: `/v1/sessions/${await sessionToTry(world)}` }),
  },
  'DELETE /v1/sessions/{session}': {
    permission: ADMINS,
    request: async (world) => ({ path: `/v1/sessions/${await sessionToTry(world)}` }),
  },
  'GET /v1/explain': {
    permission: ADMINS,
    request: (world) => ({ path: `/v1/explain?event=${world.first('members.news').id}&user=7` }),
  },
  'GET /v1/status': { permission: ADMINS, request: () => ({ path: '/v1/status' }) },
  'GET /v1/status/history': { permission: ADMINS, request: () => ({ path: '/v1/status/history' }) },
  'GET /v1/configuration': { permission: ADMINS, request: () => ({ path: '/v1/configuration' }) },
  // The hub of the matrix is not a part of a cluster:
  // `conformance/cluster/inspection.slow.test.ts` has one.
  'GET /v1/cluster': { permission: ADMINS, hiddenFrom: ADMINS, request: () => ({ path: '/v1/cluster' }) },
  'GET /v1/console/session': { permission: 'entry', request: () => ({ path: '/v1/console/session' }) },
  // The credentials are in the body, so those of the request do not count.
  'POST /v1/console/session': {
    permission: 'nothing',
    request: ({ issuer }) => ({ path: '/v1/console/session', body: { credential: issuer.key('admin') } }),
  },
  'DELETE /v1/console/session': { permission: 'entry', request: () => ({ path: '/v1/console/session' }) },
  'POST /v1/reload': { permission: ADMINS, request: () => ({ path: '/v1/reload' }) },
  'POST /v1/subscriptions': {
    permission: DELIVERED_TO,
    request: () => ({ path: '/v1/subscriptions', body: { channels: [DELIVERY_CHANNEL], delivery: { kind: 'pull' } } }),
  },
  'PUT /v1/subscriptions/{id}': {
    permission: DELIVERED_TO,
    request: () => ({
      path: '/v1/subscriptions/tried',
      body: { channels: [DELIVERY_CHANNEL], delivery: { kind: 'pull' } },
    }),
  },
  'GET /v1/subscriptions': {
    permission: [...SUBSCRIBERS, ...OTHER_SUBSCRIBERS],
    request: () => ({ path: '/v1/subscriptions' }),
  },
  'GET /v1/subscriptions/{id}': ofSubscription(''),
  'PATCH /v1/subscriptions/{id}': ofSubscription('', { description: 'tried' }),
  'DELETE /v1/subscriptions/{id}': ofSubscription(''),
  'POST /v1/subscriptions/{id}/pause': ofSubscription('/pause'),
  'POST /v1/subscriptions/{id}/resume': ofSubscription('/resume'),
  'POST /v1/subscriptions/{id}/test': ofSubscription('/test'),
  'POST /v1/subscriptions/{id}/rotate-secret': ofSubscription('/rotate-secret'),
  'POST /v1/subscriptions/{id}/replay': {
    ...ofSubscription('/replay', { after: 'earliest' }),
    permission: DELIVERED_TO,
  },
  'POST /v1/subscriptions/{id}/pull': { ...ofQueue('/pull', {}), permission: DELIVERED_TO },
  'POST /v1/subscriptions/{id}/ack': ofQueue('/ack', { leases: ['none'] }),
  'POST /v1/subscriptions/{id}/nack': ofQueue('/nack', { leases: ['none'] }),
  'POST /v1/subscriptions/{id}/extend': ofQueue('/extend', { leases: ['none'] }),
  'GET /v1/subscriptions/{id}/replays': ofSubscription('/replays'),
  'GET /v1/subscriptions/{id}/attempts': ofSubscription('/attempts'),
  'GET /v1/subscriptions/{id}/events/{event}': {
    ...ofSubscription('/events/0000000000-00000000001'),
  },
  'POST /v1/portal-links': {
    permission: DELIVERED_TO,
    request: () => ({ path: '/v1/portal-links', body: { owner: 'tried', channels: [DELIVERY_CHANNEL] } }),
  },
  'GET /v1/portal': { permission: [], request: () => ({ path: '/v1/portal' }) },
  'GET /v1/subscriptions/{id}/dead-letters': ofSubscription('/dead-letters'),
  'POST /v1/subscriptions/{id}/dead-letters/retry': {
    ...ofSubscription('/dead-letters/retry'),
    permission: DELIVERED_TO,
  },
  'DELETE /v1/subscriptions/{id}/dead-letters': ofSubscription('/dead-letters'),
  'GET /v1/subscriptions/{id}/dead-letters/{event}': { ...ofDeadLetter(''), permission: DELIVERED_TO },
  'POST /v1/subscriptions/{id}/dead-letters/{event}/retry': { ...ofDeadLetter('/retry'), permission: DELIVERED_TO },
  'DELETE /v1/subscriptions/{id}/dead-letters/{event}': ofDeadLetter(''),
  'GET /v1/events/{id}/deliveries': {
    permission: [...SUBSCRIBERS, ...OTHER_SUBSCRIBERS],
    request: (world) => ({ path: `/v1/events/${world.first('open.news').id}/deliveries` }),
  },
  'POST /v1/websub': {
    permission: 'nothing',
    request: ({ hub }) => {
      const ping = { 'hub.mode': 'publish', 'hub.topic': `${hub.url}/v1/channels/open.news` };
      return { path: '/v1/websub', body: new URLSearchParams(ping) };
    },
  },
  'POST /v1/hooks': {
    permission: DELIVERED_TO,
    request: (_world, { name }) => {
      const target = `http://${UNUSED_ADDRESS}/${encodeURIComponent(name)}`;
      return { path: '/v1/hooks', body: { target_url: target, event: DELIVERY_CHANNEL } };
    },
  },
  'GET /v1/hooks': { permission: [...SUBSCRIBERS, ...OTHER_SUBSCRIBERS], request: () => ({ path: '/v1/hooks' }) },
  'DELETE /v1/hooks': {
    permission: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    request: async (world) => ({
      path: `/v1/hooks?target_url=${encodeURIComponent((await hookToTry(world)).target_url)}`,
    }),
  },
  'GET /v1/hooks/{id}': ofHook(),
  'DELETE /v1/hooks/{id}': ofHook(),
  'GET /v1/hooks/samples': {
    permission: [...DELIVERED_TO, ...OTHER_SUBSCRIBERS],
    request: () => ({ path: `/v1/hooks/samples?event=${DELIVERY_CHANNEL}` }),
  },
  'GET /v1/event-types': {
    permission: [...SUBSCRIBERS, ...OTHER_SUBSCRIBERS],
    request: () => ({ path: '/v1/event-types' }),
  },
  'GET /v1/access/explain': {
    permission: ADMINS,
    request: () => ({ path: '/v1/access/explain?user=7&subscribe=inbox.7.letters' }),
  },
};

/** Routes below a subscription. */
function ofSubscription(below: string, body?: unknown): RouteRow {
  return {
    permission: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    request: async (world) => ({
      path: `/v1/subscriptions/${await subscriptionToTry(world)}${below}`,
      ...(body !== undefined && { body }),
    }),
  };
}

function ofHook(): RouteRow {
  return {
    permission: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    request: async (world) => ({ path: `/v1/hooks/${(await hookToTry(world)).id}` }),
  };
}

/** The same routes of a pull subscription. */
function ofQueue(below: string, body: unknown): RouteRow {
  return {
    ...ofSubscription(below),
    request: async (world) => ({ path: `/v1/subscriptions/${await queueToTry(world)}${below}`, body }),
  };
}

function ofDeadLetter(below: string): RouteRow {
  return {
    permission: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    request: async (world) => {
      const { subscription, event } = await deadLetterToTry(world);
      return { path: `/v1/subscriptions/${subscription}/dead-letters/${event}${below}` };
    },
  };
}

/** Routes that are tested with their row's request. */
export const REQUESTS: readonly (RouteRow & Required<Pick<RouteRow, 'request'>> & { readonly route: string })[] =
  Object.entries(ROUTES).flatMap(([route, { request, ...row }]) =>
    request === undefined ? [] : [{ route, request, ...row }],
  );

/** The message of a WebSocket operation, unless a way to read or publish sends it. */
export interface OperationRow extends Pick<RouteRow, 'permission' | 'hiddenFrom'> {
  readonly operation?: (world: TestWorld) => object | Promise<object>;
}

/** A row for every WebSocket operation: without one, the program does not compile. */
export const OPERATIONS: Readonly<Record<ClientMessage['op'], OperationRow>> = {
  subscribe: { permission: 'subscribe' },
  unsubscribe: { permission: 'entry', operation: () => ({ op: 'unsubscribe', channels: ['open.news'] }) },
  publish: { permission: 'publish' },
  // The credentials of the handshake are replaced, so the token is the caller's own.
  auth: { permission: 'entry' },
  ping: { permission: 'entry', operation: () => ({ op: 'ping' }) },
  pull: { ...ofPullOperation({ op: 'pull', credit: 1 }), permission: DELIVERED_TO },
  credit: ofPullOperation({ op: 'credit', credit: 1 }),
  ack: ofPullOperation({ op: 'ack', leases: ['none'] }),
  nack: ofPullOperation({ op: 'nack', leases: ['none'] }),
  extend: ofPullOperation({ op: 'extend', leases: ['none'] }),
};

function ofPullOperation(members: object): OperationRow {
  return {
    permission: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    operation: async (world) => ({ ...members, subscription: await queueToTry(world) }),
  };
}
