import fc from 'fast-check';
import { test } from 'vitest';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import { TRIM_GRACE_MS } from './pending-trims.ts';
import { ReferenceConsumer, type PublishedEvent, type ConsumerOptions } from './testing/reference-consumer.ts';
import { createFeedWorld, event, drainMicrotasks, type FeedWorld } from './testing/feed-world.ts';

const CHANNELS = ['a', 'b', 'a.b', 'a.c', 'latest', 'latest.a', 'none', 'none.a'];
const channel = fc.constantFrom(...CHANNELS);
const type = fc.constantFrom(undefined, undefined, 'x', 'y');
const request: fc.Arbitrary<ConsumerOptions> = fc.record({
  patterns: fc.uniqueArray(fc.constantFrom(...CHANNELS, '>', 'a.*', '*', 'a.>', '*.a', 'latest.>'), {
    minLength: 1,
    maxLength: 3,
  }),
  types: fc.constantFrom(undefined, undefined, undefined, ['x'], ['x', 'y']),
  except: fc.constantFrom<readonly string[]>([], [], [], ['a'], ['a.*']),
});
const which = fc.nat(100);

type Step =
  | {
      readonly kind: 'publish';
      readonly events: readonly {
        readonly channel: string;
        readonly type: string | undefined;
        readonly bodyBytes: number;
      }[];
    }
  | {
      readonly kind: 'subscribe';
      readonly request: ConsumerOptions;
      readonly back: number;
      readonly limit: number;
      readonly isBounded: boolean;
      readonly isBlocked: boolean;
    }
  | { readonly kind: 'change'; readonly which: number; readonly request: ConsumerOptions }
  | { readonly kind: 'block' | 'flush' | 'leave'; readonly which: number }
  | { readonly kind: 'trim'; readonly channel: string; readonly countMax: number }
  | { readonly kind: 'forget' | 'hold' | 'release' | 'settle' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      events: fc.array(fc.record({ channel, type, bodyBytes: fc.constantFrom(10, 10, 100) }), {
        minLength: 1,
        maxLength: 4,
      }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('subscribe' as const),
      request,
      back: fc.constantFrom(0, 0, 1, 3, 8, 1000),
      limit: fc.constantFrom(Infinity, Infinity, Infinity, 1, 2),
      isBounded: fc.constantFrom(false, false, false, true),
      isBlocked: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('change' as const), which, request }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('block' as const, 'flush' as const, 'flush' as const), which }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('trim' as const), channel, countMax: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('forget' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('hold' as const, 'release' as const, 'settle' as const) }),
  },
);

const published = (...channels: readonly string[]): Step => ({
  kind: 'publish',
  events: channels.map((name) => ({ channel: name, type: name === 'a.b' ? undefined : 'y', bodyBytes: 10 })),
});
const subscribed = (types: readonly string[] | undefined, ...patterns: readonly string[]): Step => ({
  kind: 'subscribe',
  request: { patterns, types, except: [] },
  back: 0,
  limit: Infinity,
  isBounded: false,
  isBlocked: false,
});

/**
 * The third reader's page waits in the queue of reads while event 4 is removed, so its gap is past
 * its own end. The reader then asks for the same channels in another order, and is not told again.
 */
const SAME_CHANNELS_AGAIN: Step[] = [
  subscribed(undefined, 'a'),
  subscribed(undefined, 'a.b'),
  subscribed(['y'], '*.a', '>'),
  { kind: 'hold' },
  published('a.b', 'a', 'a'),
  published('latest', 'a'),
  { kind: 'trim', channel: 'latest', countMax: 0 },
  published('a'),
  { kind: 'leave', which: 0 },
  { kind: 'change', which: 2, request: { patterns: ['>', '*.a'], types: ['y'], except: [] } },
  published('a'),
];

const STEPS = { minLength: 5, maxLength: 70, size: 'max' } as const;

test('every consumer receives every matching event once, in order, or a gap before the hole', async () => {
  const sizes = fc.record({
    tailBytesMax: fc.constantFrom(150, 600, 1500, 1e6),
    batchBytesMax: fc.constantFrom(1, 60, 1e5),
  });
  await fc.assert(
    fc.asyncProperty(sizes, fc.boolean(), fc.array(step, STEPS), async (sizes, isShared, steps) => {
      const world = createFeedWorld(createMemoryLog(), sizes, isShared);
      if (isShared) await world.feed.preload();
      const events: PublishedEvent[] = [];
      const consumers: ReferenceConsumer[] = [];
      for (const next of steps) {
        await take(next, world, events, consumers);
        world.feed.assertInvariants();
      }
      world.log.release();
      for (const consumer of consumers) consumer.flush();
      await drainMicrotasks();
      for (const consumer of consumers) consumer.assertIdle();
    }),
    { numRuns: 500, examples: [[{ tailBytesMax: 150, batchBytesMax: 1 }, false, SAME_CHANNELS_AGAIN]] },
  );
});

async function take(
  next: Step,
  world: FeedWorld,
  events: PublishedEvent[],
  consumers: ReferenceConsumer[],
): Promise<void> {
  const { log, feed } = world;
  const consumer = 'which' in next && consumers.length > 0 ? consumers[next.which % consumers.length] : undefined;
  switch (next.kind) {
    case 'publish': {
      const { head } = log.state;
      next.events.forEach(({ channel, type }, index) => events.push({ position: head + index + 1, channel, type }));
      await log.append(next.events.map(({ channel, type, bodyBytes }) => event(channel, type, bodyBytes)));
      return;
    }
    case 'subscribe': {
      const position = Math.max(0, feed.head - next.back);
      const made = new ReferenceConsumer(
        world,
        events,
        next.request,
        position,
        next.limit,
        next.isBounded ? feed.head : Infinity,
      );
      if (next.isBlocked) made.block();
      consumers.push(made);
      return;
    }
    case 'trim': {
      const orders = [{ channel: next.channel, countMax: next.countMax }];
      await log.trim(orders, 0);
      return feed.onTrimmed(orders, 0);
    }
    case 'forget':
      return feed.onTrimmed([], TRIM_GRACE_MS);
    case 'hold':
      log.isHolding = true;
      return;
    case 'release':
      log.release();
      return;
    case 'settle':
      return drainMicrotasks();
    case 'change':
      return consumer?.change(next.request);
    case 'block':
      return consumer?.block();
    case 'flush':
      return consumer?.flush();
    case 'leave':
      return consumer?.reader.close();
  }
}
