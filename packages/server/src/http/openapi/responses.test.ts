import { createRequire } from 'node:module';
import type { Ajv, ValidateFunction } from 'ajv';
import type { FormatsPlugin } from 'ajv-formats';
import { expect, test } from 'vitest';
import { openEndpoint, openSubscriptionHub, waitUntil, type SubscriptionHub } from '../../testing/subscription-hub.ts';
import type { JsonSchema } from '../route-description.ts';
import { describeApi, type ApiDescription } from './operations.ts';

/** Examples and real responses match the schemas that the API description shows for them. */
const require = createRequire(import.meta.url);

function validator({ schemas }: ApiDescription): (schema: JsonSchema, value: unknown) => readonly unknown[] {
  const library = require('ajv/dist/2020.js') as { default: typeof Ajv };
  const formats = require('ajv-formats') as { default: FormatsPlugin };
  const compiler = new library.default({ strict: false });
  formats.default(compiler);
  const compiled = new Map<JsonSchema, ValidateFunction>();
  return (schema, value) => {
    let validate = compiled.get(schema);
    if (validate === undefined) {
      validate = compiler.compile({ ...schema, components: { schemas } });
      compiled.set(schema, validate);
    }
    return validate(value) === true
      ? []
      : (validate.errors ?? []).map(({ instancePath, message }) => [instancePath, message]);
  };
}

test('every JSON body and response has an example, which matches its schema', async () => {
  const hub = await openSubscriptionHub({ access: 'rules' });
  const api = describeApi(hub.routes);
  const validate = validator(api);
  for (const { operationId, bodies, responses } of api.operations)
    for (const { mediaType, schema, example } of [...bodies, ...responses.flatMap(({ contents }) => contents)]) {
      if (!/[/+]json$/.test(mediaType)) continue;
      expect([operationId, mediaType, example]).not.toEqual([operationId, mediaType, undefined]);
      expect([operationId, mediaType, validate(schema, example)]).toEqual([operationId, mediaType, []]);
    }
});

/** A request, and the status of its response. */
interface Trial {
  readonly path?: string;
  readonly body?: unknown;
  readonly status?: number;
  readonly form?: true;
}

test('every operation responds as its description says', async () => {
  const { url } = await openEndpoint(({ url: asked }, response) => {
    response.statusCode = asked.includes('fails') ? 500 : 200;
    response.end();
  });
  const hub = await openSubscriptionHub({
    access: 'rules',
    rules: [{ pattern: 'members', subscribe: 'anyone', presence: 'anyone' }],
    outgoing: { allow: [new URL(url).host] },
    subscriptions: { trustedEndpoints: [new URL(url).origin] },
  });
  const api = describeApi(hub.routes);
  const validate = validator(api);
  const trials = await prepareTrials(hub, url);
  expect(Object.keys(trials).toSorted()).toEqual(api.operations.map(({ operationId }) => operationId).toSorted());
  for (const [operationId, { path, body, status = 200, form }] of Object.entries(trials)) {
    const operation = api.operations.find((each) => each.operationId === operationId);
    if (operation === undefined) throw new Error(operationId);
    const response = await fetch(hub.url + (path ?? operation.path), {
      method: operation.method,
      headers: {
        authorization: `Bearer ${hub.firstKey}`,
        ...(body !== undefined && { 'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    expect([operationId, response.status, text]).toEqual([operationId, status, text]);
    const described = operation.responses.find((each) => each.status === status);
    const mediaType = response.headers.get('content-type');
    const content = described?.contents.find((each) => each.mediaType === mediaType);
    if (mediaType !== 'application/json' || content === undefined) continue;
    expect([operationId, text, validate(content.schema, JSON.parse(text))]).toEqual([operationId, text, []]);
  }
});

/** In the order in which they run: what creates comes before what removes. */
async function prepareTrials(hub: SubscriptionHub, url: string): Promise<Record<string, Trial>> {
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
  const { body: hook } = await hub.ask('POST', '/v1/hooks', { target_url: `${url}?2`, event: 'news' });
  return {
    health: {},
    ready: {},
    metrics: {},
    asyncApi: {},
    openApi: {},
    readStatus: { path: '/v1/status' },
    publishEvents: { body: { channel: 'orders.2', data: 1 }, status: 201 },
    publishToChannel: { path: '/v1/channels/orders.1/events', body: { total: 1 }, status: 201 },
    publishToUser: { path: '/v1/users/ann/events', body: { data: 1 }, status: 201 },
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
    createSubscription: { body: { channels: ['a'], delivery: { kind: 'webhook', url: `${url}?1` } }, status: 201 },
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
    pullEvents: { path: `${pullPath}/pull`, body: {} },
    extendLeases: { path: `${pullPath}/extend`, body: { leases } },
    giveBackEvents: { path: `${pullPath}/nack`, body: { leases: ['unknown'] } },
    acknowledgeEvents: { path: `${pullPath}/ack`, body: { leases } },
    listDeadLetters: { path: deadLetters },
    readDeadLetter: { path: `${deadLetters}/${one}` },
    discardDeadLetter: { path: `${deadLetters}/${other}` },
    retryDeadLetter: { path: `${deadLetters}/${one}/retry`, status: 202 },
    retryDeadLetters: { path: `${deadLetters}/retry`, status: 202 },
    discardDeadLetters: { path: deadLetters },
    traceEvent: { path: `/v1/events/${event}/deliveries` },
    removeSubscription: { path: hookPath, status: 204 },
    askWebSub: {
      body: `hub.mode=publish&hub.url=${encodeURIComponent(`${hub.url}/v1/channels/orders.1`)}`,
      form: true,
      status: 204,
    },
    createHook: { body: { target_url: url, event: 'news' }, status: 201 },
    listHooks: {},
    readHookSamples: { path: '/v1/hooks/samples?event=orders.1' },
    readHook: { path: `/v1/hooks/${String(hook['id'])}` },
    deleteHook: { path: `/v1/hooks/${String(hook['id'])}` },
    deleteHooks: { body: { target_url: url } },
    listEventTypes: {},
  };
}
