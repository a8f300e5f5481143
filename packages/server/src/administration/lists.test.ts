import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { matches } from '@polycast/protocol';
import type { ChannelQuery, Log, NewRecord } from '../core/ports.ts';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import { openAuthenticatedHub } from '../testing/authenticated-hub.ts';
import { openSubscriptionHub } from '../testing/subscription-hub.ts';
import { listChannels } from './channel-list-route.ts';
import { firstAfter } from './user-list-route.ts';

async function logOf(names: readonly string[]): Promise<{ log: Pick<Log, 'channels'>; queries: ChannelQuery[] }> {
  const log = createMemoryLog();
  await log.append(names.map(record));
  const queries: ChannelQuery[] = [];
  return {
    queries,
    log: {
      channels(query) {
        queries.push(query);
        return log.channels(query);
      },
    },
  };
}

function record(channel: string): NewRecord {
  const body = Buffer.from(`"channel":"${channel}","data":1}`);
  const nothing = { type: undefined, idempotencyKey: undefined, fingerprint: undefined, ifLatest: undefined };
  return { ...nothing, channel, timeMs: 1, body, retain: 'history' };
}

async function allPages(log: Pick<Log, 'channels'>, match: string, limit: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (let after: string | null = ''; after !== null;) {
    const page: Awaited<ReturnType<typeof listChannels>> = await listChannels(log, match, after, limit);
    found.push(...page.channels.map(({ channel }) => channel));
    after = page.next;
  }
  return found;
}

describe('channels', () => {
  const token = fc.constantFrom('a', 'b', 'A', 'z', '0', '-', '_', 'aa', 'a-');
  const name = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join('.'));
  const pattern = fc
    .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 2 }), fc.oneof(token, fc.constantFrom('*', '>')))
    .map(([tokens, last]) => [...tokens, last].join('.'));

  test('the pages together contain every channel that the pattern covers, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { maxLength: 30 }),
        pattern,
        fc.integer({ min: 1, max: 7 }),
        async (names, match, limit) => {
          const { log } = await logOf(names);
          const expected = names.filter((each) => matches(match, each)).toSorted();
          expect(await allPages(log, match, limit)).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('channels with another prefix are not read', async () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `other.${index}`);
    const { log, queries } = await logOf([...names, 'orders.1', 'orders.2', 'people.1']);
    expect(await allPages(log, 'orders.*', 100)).toEqual(['orders.1', 'orders.2']);
    expect(await allPages(log, 'people.1', 100)).toEqual(['people.1']);
    expect(queries).toHaveLength(2);
  });

  test('one request examines a bounded number of names, and returns a next', async () => {
    const names = Array.from({ length: 12_000 }, (_, index) => `a.${String(index).padStart(5, '0')}.x`);
    const { log } = await logOf([...names, 'a.99999.y']);
    const first = await listChannels(log, 'a.*.y', '', 10);
    expect(first).toEqual({ channels: [], next: 'a.04999.x' });
    expect(await allPages(log, 'a.*.y', 10)).toEqual(['a.99999.y']);
  });

  test('are listed by scope', async () => {
    const hub = await openSubscriptionHub({ access: 'rules' });
    const id = await hub.publish('orders.1', 1);
    await hub.publish('secret.1', 1);
    const list = async (scopes: object | undefined, query = ''): Promise<unknown> => {
      const headers = { authorization: scopes === undefined ? '' : `Bearer ${await hub.key(scopes)}` };
      const { status, body } = await hub.ask('GET', `/v1/channels${query}`, undefined, headers);
      return status === 200 ? (body['channels'] as { channel: string }[]).map(({ channel }) => channel) : status;
    };
    expect(await list({ subscribe: ['>'] })).toEqual(['orders.1', 'secret.1']);
    expect(await list({ admin: ['>'] }, '?match=secret.*')).toEqual(['secret.1']);
    expect(await list({ subscribe: ['orders.>'] }, '?match=orders.>')).toEqual(['orders.1']);
    expect(await list({ subscribe: ['orders.>'] })).toBe(403);
    expect(await list({ publish: ['>'] })).toBe(403);
    expect(await list(undefined)).toBe(401);
    expect(await list({ subscribe: ['>'] }, '?match=a..b')).toBe(400);
    expect((await hub.ask('GET', '/v1/channels?match=orders.1')).body).toEqual({
      channels: [
        { channel: 'orders.1', events: 1, bytes: expect.any(Number), oldest: expect.stringMatching(/Z$/), latest: id },
      ],
      next: null,
    });
  });

  test('a user whose token grants everything may not list them', async () => {
    const hub = await openAuthenticatedHub();
    const token = hub.token('ann', 3600, { polycast: { subscribe: ['>'] } });
    const { status } = await fetch(`${hub.url}/v1/channels`, { headers: { authorization: `Bearer ${token}` } });
    expect(status).toBe(403);
  });
});

describe('users who are online', () => {
  test('are the first ones after a name, each once, in any order of insertion', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.string(), fc.integer({ min: 1, max: 5 }), (names, after, count) => {
        const expected = [...new Set(names)]
          .filter((name) => name > after)
          .toSorted((one, other) => (one < other ? -1 : 1));
        expect(firstAfter(names, after, count)).toEqual(expected.slice(0, count));
      }),
    );
  });

  test('are listed page by page: users with sessions, and users who poll', async () => {
    const hub = await openAuthenticatedHub();
    const list = async (query: string): Promise<unknown> =>
      (await hub.administer('GET', `/v1/users?online=true${query}`)).json();
    expect(await list('')).toEqual({ users: [], next: null });
    await hub.follow('channel=news.a', hub.token('bob'));
    await hub.follow('channel=news.a', hub.token('bob'));
    await hub.follow('channel=news.a', hub.token('ann', 3600, { info: { name: 'Ann' } }));
    await (await fetch(`${hub.url}/v1/events?channel=news.a&token=${hub.token('eve')}`)).text();
    await hub.follow('channel=news.a');
    expect(await list('&limit=2')).toEqual({
      users: [
        { user: 'ann', sessions: 1, info: { name: 'Ann' } },
        { user: 'bob', sessions: 2 },
      ],
      next: 'bob',
    });
    expect(await list('&after=bob')).toEqual({ users: [{ user: 'eve', sessions: 0 }], next: null });
    expect((await hub.administer('GET', '/v1/users')).status).toBe(400);
  });
});
