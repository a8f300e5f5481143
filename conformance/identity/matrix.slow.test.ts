import { beforeAll, describe, expect, test } from 'vitest';
import { CALLERS, type Caller, type CallerName, type Credentials } from './callers.ts';
import { CHANNELS, PATTERNS, type ChannelRow } from './channels.ts';
import { privateMessageTo, startWorld, type TestWorld } from './kit/world.ts';
import { OPERATIONS, REQUESTS, ROUTES, type OperationRow } from './rows.ts';
import { expected, expectedOf, expectedOfRow, isAllowed, type Outcomes } from './expected-outcomes.ts';
import { operate, PUBLISH_METHODS, READ_METHODS, request, type Outcome } from './access-methods.ts';

/**
 * Every route and operation, on each transport, by every kind of caller: the outcomes are those of
 * the tables.
 */
let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});

test('every route of the hub has a row in the matrix, and every row has a route', async () => {
  const description = (await (await fetch(`${world.hub.url}/openapi.json`)).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  const routes = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(Object.keys(ROUTES).toSorted()).toEqual(routes.toSorted());
});

describe.each(CHANNELS)('$channel', (row: ChannelRow) => {
  const { channel } = row;
  const reading = Object.entries(READ_METHODS);

  test.each(reading)('live events, by %s', async (name, read) => {
    const { id } = world.first(channel);
    const { secret } = world.second(channel);
    const outcomes = await all((credentials) =>
      read(world.hub.url, credentials, { channel, from: `after=${id}`, secret }),
    );
    expect(outcomes).toEqual(expected(row.subscribe, name, row.unavailable));
  });

  describe.each(['after=earliest', 'history=2'])('with %s', (from) => {
    test.each(reading)('past events, by %s', async (name, read) => {
      const { secret } = world.first(channel);
      const outcomes = await all((credentials) => read(world.hub.url, credentials, { channel, from, secret }));
      expect(outcomes).toEqual(expected(row.history, name, row.unavailable));
    });
  });

  test('its newest event', async () => {
    const { secret } = world.second(channel);
    const path = `/v1/channels/${channel}`;
    const outcomes = await all((credentials) => request(world.hub.url, credentials, { method: 'GET', path, secret }));
    expect(outcomes).toEqual(expected(row.subscribe, '', row.unavailable));
  });

  test('its pages of history', async () => {
    const { secret } = world.first(channel);
    const path = `/v1/channels/${channel}/history`;
    const outcomes = await all((credentials) => request(world.hub.url, credentials, { method: 'GET', path, secret }));
    expect(outcomes).toEqual(expected(row.history, '', row.unavailable));
  });

  const publishing = Object.entries(PUBLISH_METHODS);

  test.each(publishing)('publishing by %s', async (name, publish) => {
    const data = (caller: Caller): string => `${name} to ${channel} by ${caller.name}`;
    const outcomes = await all((credentials, caller) =>
      publish(world.hub.url, credentials, { channel, data: data(caller) }),
    );
    expect(outcomes).toEqual(expected(row.publish, '', row.unavailable));
    // No request without permission had an effect, whatever its answer was.
    const path = `/v1/channels/${channel}/history?limit=1000`;
    const reply = await fetch(world.hub.url + path, {
      headers: { Authorization: `Bearer ${world.issuer.key('admin')}` },
    });
    const { events } = (await reply.json()) as { readonly events: readonly { readonly data: string }[] };
    const seen = new Set(events.map((event) => event.data));
    expect(CALLERS.filter((caller) => seen.has(data(caller))).map((caller) => caller.name)).toEqual(
      CALLERS.filter((caller) => isAllowed(row.publish, caller)).map((caller) => caller.name),
    );
  });
});

describe.each(PATTERNS)('$pattern', ({ pattern, channel, subscribe }) => {
  test.each(Object.entries(READ_METHODS))('by %s', async (way, read) => {
    const from = `after=${world.first(channel).id}`;
    const { secret } = world.second(channel);
    const outcomes = await all((credentials) => read(world.hub.url, credentials, { channel: pattern, from, secret }));
    expect(outcomes).toEqual(expected(subscribe, way));
  });
});

describe('@me', () => {
  test.each(Object.entries(READ_METHODS))("is the caller's own channel, by %s", async (way, read) => {
    const outcomes = await all((credentials, { user }) =>
      read(world.hub.url, credentials, {
        channel: '@me',
        from: 'after=earliest',
        secret: privateMessageTo(user ?? ''),
      }),
    );
    const everyUser = CALLERS.filter(({ credentialsStatus }) => credentialsStatus === 'user').map(({ name }) => name);
    // A server is not a user: it must authenticate as one, like any other caller.
    const asked = CALLERS.map((caller) => {
      const credentialsStatus = caller.credentialsStatus === 'server' ? 'nobody' : caller.credentialsStatus;
      return [caller.name, expectedOf({ ...caller, credentialsStatus }, everyUser, way)];
    });
    expect(outcomes).toEqual(Object.fromEntries(asked));
  });
});

test.each(REQUESTS)('$route', async (row) => {
  const { route, request: asked } = row;
  const [method = ''] = route.split(' ');
  const outcomes = await all(async (credentials, caller) =>
    request(world.hub.url, credentials, { method, ...(await asked(world, caller)) }),
  );
  expect(outcomes).toEqual(expectedOfRow(row));
});

test.each(Object.entries(OPERATIONS).filter(([, { operation }]) => operation !== undefined))(
  'operation %s',
  async (_name, row) => {
    const asked = row.operation as NonNullable<OperationRow['operation']>;
    const outcomes = await all(async (credentials) => operate(world.hub.url, credentials, await asked(world)));
    expect(outcomes).toEqual(expectedOfRow(row));
  },
);

/** One cell after the other, so that the result for one caller does not depend on others. */
async function all(attempt: (credentials: Credentials, caller: Caller) => Promise<Outcome>): Promise<Outcomes> {
  const outcomes: Partial<Record<CallerName, Outcome>> = {};
  for (const caller of CALLERS) outcomes[caller.name] = await attempt(caller.credentials(world.issuer), caller);
  return outcomes;
}
