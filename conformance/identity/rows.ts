import type { ClientMessage } from '@polycast/protocol';
import type { Caller, CallerName } from './callers.ts';
import { CHANNELS } from './channels.ts';
import {
  deadLetterToTry,
  DELIVERED,
  hookToTry,
  keyToTry,
  NOBODY,
  queueToTry,
  subscriptionToTry,
  type World,
} from './kit/world.ts';

/**
 * What each operation asks of its caller. `nothing`: whoever reaches the port may, and no credentials are looked at. `entry`: whoever
 * is not refused for their credentials. `subscribe`, `history`, `publish`: what is asked of a channel, so the row is tried with a
 * channel of each kind. Else those who may are named.
 */
export type Asks = 'nothing' | 'entry' | 'subscribe' | 'history' | 'publish' | readonly CallerName[];

/** A request that is not one of the ways of reading and publishing. */
export interface Asked {
  readonly path: string;
  readonly body?: unknown;
}

export interface RouteRow {
  readonly asks: Asks;
  /** To whom it is as if there were nothing: `not_found`. */
  readonly hiddenFrom?: readonly CallerName[];
  /** How it is asked for; left out where the routes of channels have ways of their own. */
  readonly request?: (world: World, caller: Caller) => Asked | Promise<Asked>;
}

const ADMINS: readonly CallerName[] = ['admin', 'key for administration'];
/** Who may see to users: log them out, and the like. */
const CARETAKERS: readonly CallerName[] = [...ADMINS, 'key for users'];
/** Who may see to subscriptions; those of other channels than a key's are not there for it. */
const SUBSCRIBERS: readonly CallerName[] = [
  'admin',
  'key for subscriptions',
  'key for these subscriptions and their channels',
];
const OTHER_SUBSCRIBERS: readonly CallerName[] = ['key for other subscriptions'];
/** And who may have events delivered besides. */
const DELIVERED_TO: readonly CallerName[] = ['admin', 'key for these subscriptions and their channels'];
const PUBLISHERS: readonly CallerName[] = ['admin', 'key with it'];
/** Of the channel whose presence is kept, for those who may read it. */
const MEMBERS: readonly CallerName[] = CHANNELS.find(({ channel }) => channel === 'members.news')?.subscribe ?? [];

/** A row for every operation of `/openapi.json`. What is asked of a channel is tried in all ways of reading or publishing. */
export const ROUTES: Readonly<Record<string, RouteRow>> = {
  'GET /v1/events': { asks: 'subscribe' },
  'POST /v1/events': { asks: 'publish' },
  'POST /v1/channels/{channel}/events': { asks: 'publish' },
  'GET /v1/channels/{channel}': { asks: 'subscribe' },
  'GET /v1/channels/{channel}/history': { asks: 'history' },
  'GET /v1/channels/{channel}/presence': {
    asks: MEMBERS,
    request: () => ({ path: '/v1/channels/members.news/presence' }),
  },
  'POST /v1/users/{user}/events': {
    asks: PUBLISHERS,
    request: () => ({ path: '/v1/users/nobody%20in%20particular/events', body: { data: 'tried' } }),
  },
  'POST /v1/users/events': {
    asks: PUBLISHERS,
    request: () => ({ path: '/v1/users/events', body: { user: 'nobody in particular', data: 'tried' } }),
  },
  'GET /v1/users': { asks: CARETAKERS, request: () => ({ path: '/v1/users?online=true' }) },
  'GET /v1/channels': { asks: [...ADMINS, 'key with it'], request: () => ({ path: '/v1/channels' }) },
  'GET /v1/users/{user}': { asks: CARETAKERS, request: () => ({ path: '/v1/users/7' }) },
  'POST /v1/users/{user}/disconnect': {
    asks: CARETAKERS,
    request: () => ({ path: '/v1/users/nobody%20in%20particular/disconnect', body: {} }),
  },
  'POST /v1/users/{user}/reauthenticate': {
    asks: CARETAKERS,
    request: () => ({ path: '/v1/users/nobody%20in%20particular/reauthenticate', body: {} }),
  },
  'GET /healthz': { asks: 'nothing', request: () => ({ path: '/healthz' }) },
  'GET /readyz': { asks: 'nothing', request: () => ({ path: '/readyz' }) },
  'GET /metrics': { asks: 'nothing', request: () => ({ path: '/metrics' }) },
  'GET /openapi.json': { asks: 'nothing', request: () => ({ path: '/openapi.json' }) },
  'GET /v1/keys': { asks: ADMINS, request: () => ({ path: '/v1/keys' }) },
  'POST /v1/keys': {
    asks: ADMINS,
    request: () => ({ path: '/v1/keys', body: { name: 'tried', scopes: { admin: ['>'] } } }),
  },
  'GET /v1/keys/{id}': { asks: ADMINS, request: async (world) => ({ path: `/v1/keys/${await keyToTry(world)}` }) },
  'PATCH /v1/keys/{id}': {
    asks: ADMINS,
    request: async (world) => ({ path: `/v1/keys/${await keyToTry(world)}`, body: { scopes: { admin: ['>'] } } }),
  },
  'DELETE /v1/keys/{id}': { asks: ADMINS, request: async (world) => ({ path: `/v1/keys/${await keyToTry(world)}` }) },
  'POST /v1/keys/{id}/rotate': {
    asks: ADMINS,
    request: async (world) => ({ path: `/v1/keys/${await keyToTry(world)}/rotate`, body: {} }),
  },
  'POST /v1/revocations': {
    asks: ADMINS,
    request: () => ({ path: '/v1/revocations', body: { user: 'nobody in particular' } }),
  },
  'GET /v1/audit': { asks: ADMINS, request: () => ({ path: '/v1/audit' }) },
  'POST /v1/subscriptions': {
    asks: DELIVERED_TO,
    request: () => ({ path: '/v1/subscriptions', body: { channels: [DELIVERED], delivery: { kind: 'pull' } } }),
  },
  'GET /v1/subscriptions': {
    asks: [...SUBSCRIBERS, ...OTHER_SUBSCRIBERS],
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
    asks: DELIVERED_TO,
  },
  'POST /v1/subscriptions/{id}/pull': { ...ofQueue('/pull', {}), asks: DELIVERED_TO },
  'POST /v1/subscriptions/{id}/ack': ofQueue('/ack', { leases: ['none'] }),
  'POST /v1/subscriptions/{id}/nack': ofQueue('/nack', { leases: ['none'] }),
  'POST /v1/subscriptions/{id}/extend': ofQueue('/extend', { leases: ['none'] }),
  'GET /v1/subscriptions/{id}/replays': ofSubscription('/replays'),
  'GET /v1/subscriptions/{id}/attempts': ofSubscription('/attempts'),
  'GET /v1/subscriptions/{id}/dead-letters': ofSubscription('/dead-letters'),
  'POST /v1/subscriptions/{id}/dead-letters/retry': { ...ofSubscription('/dead-letters/retry'), asks: DELIVERED_TO },
  'DELETE /v1/subscriptions/{id}/dead-letters': ofSubscription('/dead-letters'),
  'GET /v1/subscriptions/{id}/dead-letters/{event}': { ...ofDeadLetter(''), asks: DELIVERED_TO },
  'POST /v1/subscriptions/{id}/dead-letters/{event}/retry': { ...ofDeadLetter('/retry'), asks: DELIVERED_TO },
  'DELETE /v1/subscriptions/{id}/dead-letters/{event}': ofDeadLetter(''),
  'GET /v1/events/{id}/deliveries': {
    asks: [...SUBSCRIBERS, ...OTHER_SUBSCRIBERS],
    request: (world) => ({ path: `/v1/events/${world.first('open.news').id}/deliveries` }),
  },
  'POST /v1/websub': {
    asks: 'nothing',
    request: ({ hub }) => {
      const ping = { 'hub.mode': 'publish', 'hub.topic': `${hub.url}/v1/channels/open.news` };
      return { path: '/v1/websub', body: new URLSearchParams(ping) };
    },
  },
  'POST /v1/hooks': {
    asks: DELIVERED_TO,
    request: (_world, { name }) => {
      const target = `http://${NOBODY}/${encodeURIComponent(name)}`;
      return { path: '/v1/hooks', body: { target_url: target, event: DELIVERED } };
    },
  },
  'GET /v1/hooks': { asks: [...SUBSCRIBERS, ...OTHER_SUBSCRIBERS], request: () => ({ path: '/v1/hooks' }) },
  'DELETE /v1/hooks': {
    asks: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    request: async (world) => ({
      path: `/v1/hooks?target_url=${encodeURIComponent((await hookToTry(world)).target_url)}`,
    }),
  },
  'GET /v1/hooks/{id}': ofHook(),
  'DELETE /v1/hooks/{id}': ofHook(),
  'GET /v1/hooks/samples': {
    asks: [...DELIVERED_TO, ...OTHER_SUBSCRIBERS],
    request: () => ({ path: `/v1/hooks/samples?event=${DELIVERED}` }),
  },
  'GET /v1/event-types': {
    asks: [...SUBSCRIBERS, ...OTHER_SUBSCRIBERS],
    request: () => ({ path: '/v1/event-types' }),
  },
  'GET /v1/access/explain': {
    asks: ADMINS,
    request: () => ({ path: '/v1/access/explain?user=7&subscribe=inbox.7.letters' }),
  },
};

/** What is below the address of a subscription. */
function ofSubscription(below: string, body?: unknown): RouteRow {
  return {
    asks: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    request: async (world) => ({
      path: `/v1/subscriptions/${await subscriptionToTry(world)}${below}`,
      ...(body !== undefined && { body }),
    }),
  };
}

function ofHook(): RouteRow {
  return {
    asks: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    request: async (world) => ({ path: `/v1/hooks/${(await hookToTry(world)).id}` }),
  };
}

/** The same of one that is pulled from. */
function ofQueue(below: string, body: unknown): RouteRow {
  return {
    ...ofSubscription(below),
    request: async (world) => ({ path: `/v1/subscriptions/${await queueToTry(world)}${below}`, body }),
  };
}

function ofDeadLetter(below: string): RouteRow {
  return {
    asks: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    request: async (world) => {
      const { subscription, event } = await deadLetterToTry(world);
      return { path: `/v1/subscriptions/${subscription}/dead-letters/${event}${below}` };
    },
  };
}

/** Those that are asked for by their row, and not by a way of reading or publishing. */
export const REQUESTS: readonly (RouteRow & Required<Pick<RouteRow, 'request'>> & { readonly route: string })[] =
  Object.entries(ROUTES).flatMap(([route, { request, ...row }]) =>
    request === undefined ? [] : [{ route, request, ...row }],
  );

/** What asks for an operation of a WebSocket, when it is not asked for by a way of reading or publishing. */
export interface OperationRow extends Pick<RouteRow, 'asks' | 'hiddenFrom'> {
  readonly operation?: (world: World) => object | Promise<object>;
}

/** A row for every operation of a WebSocket: another one does not compile without its own. */
export const OPERATIONS: Readonly<Record<ClientMessage['op'], OperationRow>> = {
  subscribe: { asks: 'subscribe' },
  unsubscribe: { asks: 'entry', operation: () => ({ op: 'unsubscribe', channels: ['open.news'] }) },
  publish: { asks: 'publish' },
  // Credentials of the handshake are replaced, so the token is the caller's own.
  auth: { asks: 'entry' },
  ping: { asks: 'entry', operation: () => ({ op: 'ping' }) },
  pull: { ...pulling({ op: 'pull', credit: 1 }), asks: DELIVERED_TO },
  credit: pulling({ op: 'credit', credit: 1 }),
  ack: pulling({ op: 'ack', leases: ['none'] }),
  nack: pulling({ op: 'nack', leases: ['none'] }),
  extend: pulling({ op: 'extend', leases: ['none'] }),
};

function pulling(members: object): OperationRow {
  return {
    asks: SUBSCRIBERS,
    hiddenFrom: OTHER_SUBSCRIBERS,
    operation: async (world) => ({ ...members, subscription: await queueToTry(world) }),
  };
}
