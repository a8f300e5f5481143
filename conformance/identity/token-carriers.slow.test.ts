import { beforeAll, describe, expect, test } from 'vitest';
import { CALLERS, type Credentials } from './callers.ts';
import { CHANNELS, type ChannelRow } from './channels.ts';
import { startWorld, type TestWorld } from './kit/world.ts';
import { expectedOf } from './expected-outcomes.ts';
import {
  authThenSubscribe,
  operate,
  PUBLISH_METHODS,
  READ_METHODS,
  type Outcome,
  type ReadTarget,
} from './access-methods.ts';

/**
 * A token is equivalent in all places (PROTOCOL.md section 13.2). With several tokens, one decides.
 */
let world: TestWorld;

beforeAll(async () => {
  world = await startWorld({ logging: { level: 'debug' } });
});

const ROWS = CHANNELS.filter(({ channel }) => ['members.news', 'inbox.7.letters', 'open.news'].includes(channel));
const BEARERS = CALLERS.filter(
  ({ name }) => name.startsWith('token') || name.startsWith('key') || name === 'gibberish',
);
const TOKEN_CARRIERS: Readonly<Record<string, (token: string) => Credentials>> = {
  '?token=': (queryToken) => ({ queryToken }),
  'a cookie': (cookieToken) => ({ cookieToken }),
};
const reading = Object.entries(READ_METHODS);

describe.each(ROWS)('$channel', (row) => {
  describe.each(Object.entries(TOKEN_CARRIERS))('with the token in %s', (_carriage, carry) => {
    test.each(reading)('by %s', async (way, read) => {
      const outcomes = await ofBearers((token) => read(world.hub.url, carry(token), readingOf(row)));
      expect(outcomes).toEqual(expectedOfBearers(row, way));
    });
  });

  test('with the token in the first message of a WebSocket', async () => {
    const outcomes = await ofBearers((token) => authThenSubscribe(world.hub.url, { token }, readingOf(row)));
    expect(outcomes).toEqual(expectedOfBearers(row));
  });
});

describe('with two tokens in one request', () => {
  const row = CHANNELS.find(({ channel }) => channel === 'inbox.7.letters') as ChannelRow;
  const token = (user: string): string => world.issuer.token(user);
  const both: readonly (readonly [string, () => Credentials, Outcome])[] = [
    ["another user's token overrides the login", () => ({ token: token('8'), session: 'seven' }), 'forbidden'],
    ['the token overrides the login of another user', () => ({ token: token('7'), session: 'eight' }), 'allowed'],
    [
      'a wrong token is not made up for by a login',
      () => ({ token: world.issuer.forgedToken(), session: 'seven' }),
      'unauthorized',
    ],
    [
      'a revoked key is not made up for by a login',
      () => ({ token: world.issuer.key('revoked'), session: 'seven' }),
      'unauthorized',
    ],
    ['the header overrides the query', () => ({ token: token('8'), queryToken: token('7') }), 'forbidden'],
    ['the query overrides the cookie', () => ({ queryToken: token('8'), cookieToken: token('7') }), 'forbidden'],
    ['a token in a cookie overrides the login', () => ({ cookieToken: token('8'), session: 'seven' }), 'forbidden'],
  ];

  describe.each(both)('%s', (_what, credentials, outcome) => {
    test.each(reading.filter(([way]) => way !== 'HEAD'))('by %s', async (_way, read) => {
      expect(await read(world.hub.url, credentials(), readingOf(row))).toBe(outcome);
    });
  });

  test('a WebSocket of one user cannot change to another user', async () => {
    const operation = { op: 'auth', token: token('8') };
    expect(await operate(world.hub.url, { token: token('7') }, operation)).not.toBe('allowed');
  });
});

test.each(Object.entries(PUBLISH_METHODS).filter(([way]) => way !== 'WebSocket'))(
  'a token in the query string cannot publish, by %s',
  async (_way, publish) => {
    const publication = { channel: 'members.news', data: 'by an address' };
    expect(await publish(world.hub.url, { queryToken: world.issuer.token('7') }, publication)).toBe('unauthorized');
  },
);

test('the log contains no credentials, at any level', () => {
  const brought = CALLERS.flatMap(({ credentials }) => Object.values(credentials(world.issuer)) as readonly string[]);
  // The last part of a token or key is the secret one. A signature may contain `_`.
  const secrets = brought
    .map((text) => text.split(text.startsWith('pck_') ? '_' : '.').at(-1) as string)
    .filter((text) => text.length > 3);
  expect(secrets.length).toBeGreaterThan(15);
  const log = world.hub.log();
  expect(secrets.filter((secret) => log.includes(secret))).toEqual([]);
});

function readingOf({ channel }: ChannelRow): ReadTarget {
  return { channel, from: `after=${world.first(channel).id}`, secret: world.second(channel).secret };
}

async function ofBearers(attempt: (token: string) => Promise<Outcome>): Promise<Readonly<Record<string, Outcome>>> {
  const outcomes: Record<string, Outcome> = {};
  for (const { name, credentials } of BEARERS) outcomes[name] = await attempt(credentials(world.issuer).token ?? '');
  return outcomes;
}

function expectedOfBearers({ subscribe }: ChannelRow, way?: string): Readonly<Record<string, Outcome>> {
  return Object.fromEntries(BEARERS.map((caller) => [caller.name, expectedOf(caller, subscribe, way)]));
}
