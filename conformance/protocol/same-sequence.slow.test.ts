import { matches } from '@polycast/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Follower, TRANSPORTS, type FollowOptions } from '../kit/clients/followers.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish, publishAll, type Published } from '../kit/http.ts';
import { Seeded } from '../kit/seeded.ts';
import { until } from '../kit/wait.ts';

/**
 * The same publish script gives the same sequence on every transport (PROTOCOL.md sections 3.3, 5,
 * 6, 7).
 */
const CHANNELS = ['orders.1', 'orders.2', 'orders.2.status', 'news', 'news.local', 'chat'];
const TYPES = ['created', 'changed', undefined];
const EVENTS = 600;

const FOLLOW_OPTIONS: Readonly<Record<string, Omit<FollowOptions, 'after'>>> = {
  'one channel': { channels: ['orders.1'] },
  'several channels': { channels: ['orders.1', 'news', 'chat'] },
  'a star': { channels: ['orders.*'] },
  'a rest and a name': { channels: ['news.>', 'chat'] },
  everything: { channels: ['>'] },
  'a name and a pattern that covers it': { channels: ['orders.1', 'orders.>'] },
  'one type': { channels: ['>'], types: ['created'] },
  'two types of two channels': { channels: ['orders.2', 'news'], types: ['changed', 'created'] },
};

let hub: HubProcess;
beforeAll(async () => {
  const rules = [
    { pattern: 'latest.>', retain: 'latest' },
    { pattern: 'ephemeral.>', retain: 'none' },
  ];
  hub = await startHubProcess({ config: { rules } });
});
afterAll(() => hub.end('SIGKILL'));

describe('the same publish script', () => {
  test('produces the same bytes in the same order on all transports, live, after a change of transport, and from history', async () => {
    const seeded = new Seeded();
    const after = await cursorNow();
    const live = Object.values(FOLLOW_OPTIONS).flatMap((options) =>
      TRANSPORTS.map((transport) => new Follower(hub.url, transport, { ...options, after })),
    );
    const moved = Object.values(FOLLOW_OPTIONS).map((options) => new Follower(hub.url, 'sse', { ...options, after }));
    const moving = setInterval(() => {
      for (const follower of moved) follower.moveTo(seeded.pick(TRANSPORTS));
    }, 30);
    const script = await publishScript(seeded);
    const lasts = Object.values(FOLLOW_OPTIONS).map((options) => expectedIds(options, script).at(-1) as string);
    const perRequest = (followers: readonly Follower[]): Follower[][] =>
      lasts.map((_last, index) => followers.slice(index * TRANSPORTS.length, (index + 1) * TRANSPORTS.length));
    const arrive = (followers: readonly Follower[][]): Promise<unknown> =>
      Promise.all(followers.map((of, index) => allHaveReached(lasts[index] as string, of)));
    await arrive(perRequest(live));
    // A busy machine may need longer for a connection than it stays.
    clearInterval(moving);
    await arrive(moved.map((follower) => [follower]));
    const afterwards = Object.values(FOLLOW_OPTIONS).flatMap((options) =>
      TRANSPORTS.map((transport) => new Follower(hub.url, transport, { ...options, after })),
    );
    await arrive(perRequest(afterwards));
    await Promise.all([...live, ...moved, ...afterwards].map((follower) => follower.stop()));

    for (const [index, [name, options]] of Object.entries(FOLLOW_OPTIONS).entries()) {
      const message = `${name}, seed ${seeded.seed}`;
      const of = [
        ...(perRequest(live)[index] as Follower[]),
        moved[index] as Follower,
        ...(perRequest(afterwards)[index] as Follower[]),
      ];
      const bytes = of.map(({ received }) => received.map(({ json }) => json));
      expect(
        of[0]?.received.map(({ id }) => id),
        message,
      ).toEqual(expectedIds(options, script));
      for (const each of bytes) expect(each, message).toEqual(bytes[0]);
      expect(
        of.flatMap(({ gaps, errors }) => [...gaps, ...errors]),
        message,
      ).toEqual([]);
    }
  });

  test('delivers the newest event of a latest channel to all readers, and nothing else to late ones', async () => {
    const after = await cursorNow();
    const live = TRANSPORTS.map((transport) => new Follower(hub.url, transport, { channels: ['latest.*'], after }));
    // One by one, so that a reader received each value before it was replaced.
    const published: Published[] = [];
    for (let n = 0; n < 50; n++) published.push(await publish(hub.url, { channel: `latest.${n % 2}`, data: n }));
    const newest = published.slice(-2).map(({ id }) => id);
    await allHaveReached(newest[1] as string, live);
    const late = TRANSPORTS.map((transport) => new Follower(hub.url, transport, { channels: ['latest.*'], after }));
    await allHaveReached(newest[1] as string, late);
    await Promise.all([...live, ...late].map((follower) => follower.stop()));
    for (const { received, gaps, errors } of live) {
      expect(received.slice(-2).map(({ id }) => id)).toEqual(newest);
      expect(received.map(({ id }) => id)).toEqual(received.map(({ id }) => id).toSorted());
      expect([...gaps, ...errors]).toEqual([]);
    }
    for (const { received, gaps } of late) {
      expect(received.map(({ id }) => id)).toEqual(newest);
      expect(gaps).toEqual([]);
    }
  });

  test('delivers events of an ephemeral channel to connected readers, and to those who reconnect soon', async () => {
    const after = await cursorNow();
    const live = TRANSPORTS.map((transport) => new Follower(hub.url, transport, { channels: ['ephemeral.>'], after }));
    await until('all are there', () => live.every(({ connects }) => connects > 0));
    const ids: string[] = [];
    for (let n = 0; n < 30; n++) ids.push((await publish(hub.url, { channel: 'ephemeral.typing', data: n })).id);
    const back = TRANSPORTS.map((transport) => new Follower(hub.url, transport, { channels: ['ephemeral.>'], after }));
    await allHaveReached(ids.at(-1) as string, [...live, ...back]);
    await Promise.all([...live, ...back].map((follower) => follower.stop()));
    for (const { received, gaps } of [...live, ...back]) {
      expect(received.map(({ id }) => id)).toEqual(ids);
      expect(gaps).toEqual([]);
    }
  });
});

interface Scripted {
  readonly id: string;
  readonly channel: string;
  readonly type: string | undefined;
}

/**
 * Publishes in all ways, in random order. Returns the published events, in the order of the
 * answers.
 */
async function publishScript(seeded: Seeded): Promise<readonly Scripted[]> {
  const ids: string[] = [];
  const events: Omit<Scripted, 'id'>[] = [];
  let n = 0;
  const event = (): object => {
    const type = seeded.pick(TYPES);
    const channel = seeded.pick(CHANNELS);
    events.push({ channel, type });
    return {
      channel,
      ...(type === undefined ? {} : { type }),
      data: { n: n++, text: 'é\u2028"\\'.repeat(seeded.below(20)) },
    };
  };
  while (n < EVENTS) {
    const count = 1 + seeded.below(20);
    switch (seeded.below(3)) {
      case 0:
        ids.push((await publish(hub.url, event())).id);
        break;
      case 1:
        ids.push(...(await publishAll(hub.url, Array.from({ length: count }, event))).map(({ id }) => id));
        break;
      default: {
        const body = Array.from({ length: count }, () => JSON.stringify(event()) + '\n').join('');
        const headers = { 'Content-Type': 'application/x-ndjson' };
        const { text } = await call(`${hub.url}/v1/events`, { method: 'POST', headers, body });
        ids.push(
          ...text
            .trimEnd()
            .split('\n')
            .map((line) => (JSON.parse(line) as { id: string }).id),
        );
      }
    }
  }
  return ids.map((id, index) => ({ id, ...(events[index] as Omit<Scripted, 'id'>) }));
}

/** The ids that a reader with these options must receive. */
function expectedIds(
  { channels, types }: Omit<FollowOptions, 'after'>,
  script: readonly Scripted[],
): readonly string[] {
  return script
    .filter(
      ({ channel, type }) =>
        channels.some((pattern) => matches(pattern, channel)) && (types === undefined || types.includes(String(type))),
    )
    .map(({ id }) => id);
}

async function allHaveReached(id: string, followers: readonly Follower[]): Promise<void> {
  await until(`all have reached ${id}`, () => followers.every(({ received }) => received.at(-1)?.id === id));
}

async function cursorNow(): Promise<string> {
  const { cursor } = (await call(`${hub.url}/v1/events?channel=>`)).json<{ cursor: string }>();
  return cursor;
}
