import { PolycastError } from '@polycast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SiteLookup, type SiteLookupSettings, type SiteAnswer } from './site-lookup.ts';
import { TestClock } from './testing/clock.ts';

const SETTINGS: SiteLookupSettings = {
  concurrentMax: 2,
  queueMax: 3,
  queueBytesMax: 100_000,
  queueTimeoutMs: 400,
  cacheEntriesMax: 5,
  graceMs: 300,
  failuresMax: 2,
  retryAfterMs: 100,
};
const TTL_MS = 200;
const REFUSAL_MS = 50;

type Step =
  | { readonly do: 'ask' | 'renew'; readonly key: number }
  | { readonly do: 'end'; readonly which: number; readonly how: 'yes' | 'no' | 'fail' }
  | { readonly do: 'forget'; readonly key: number }
  | { readonly do: 'pass'; readonly ms: number };

const key = fc.nat(4);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('ask' as const, 'renew' as const), key }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        which: fc.nat(3),
        how: fc.constantFrom('yes' as const, 'no' as const, 'fail' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), key }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(150) }) },
  ),
  { maxLength: 120, size: 'max' },
);

/**
 * A case that random runs found: the site took longer than the lifetime of its answer plus the
 * grace.
 */
const SLOWER_THAN_ITS_ANSWER_HOLDS: Step[] = [
  { do: 'ask', key: 0 },
  { do: 'pass', ms: TTL_MS + SETTINGS.graceMs },
  { do: 'end', which: 0, how: 'yes' },
];

interface Sent {
  readonly key: string;
  readonly atMs: number;
  end(how: 'yes' | 'no' | 'fail'): void;
}

/** An answer: the moments of its question and of its arrival, and its end. */
interface Given {
  readonly allowed: boolean;
  readonly askedMs: number;
  readonly answeredMs: number;
  readonly untilMs: number;
}

/** The site as a list of questions in flight. The test ends each of them. */
class Rig {
  readonly clock = new TestClock();
  readonly sent: Sent[] = [];
  readonly lookup: SiteLookup<Given>;
  concurrentMax = 0;

  constructor(settings: Partial<SiteLookupSettings> = {}) {
    const { clock, sent } = this;
    this.lookup = new SiteLookup<Given>(
      {
        send: (body, askedMs) =>
          new Promise<SiteAnswer<Given>>((resolve, reject) => {
            const one: Sent = {
              key: body,
              atMs: askedMs,
              end: (how) => {
                sent.splice(sent.indexOf(one), 1);
                if (how === 'fail') return reject(new Error('down'));
                const isPositive = how === 'yes';
                const freshUntilMs = clock.nowMs() + (isPositive ? TTL_MS : REFUSAL_MS);
                const value = { allowed: isPositive, askedMs, answeredMs: clock.nowMs(), untilMs: freshUntilMs };
                resolve({ value, user: `user ${body}`, isPositive, freshUntilMs });
              },
            };
            sent.push(one);
            this.concurrentMax = Math.max(this.concurrentMax, sent.length);
          }),
        extend: (value, untilMs) => ({ ...value, untilMs }),
        clock,
        chance: () => 0.5,
      },
      { ...SETTINGS, ...settings },
    );
  }
}

test('with any events: bounded, asked once, nothing beyond the grace period, nothing revoked, no request left waiting', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const rig = new Rig();
      const { lookup, sent, clock } = rig;
      const forgotten = new Map<string, number>();
      const waiting: Promise<void>[] = [];
      const check = (name: string, given: Given): void => {
        if (!given.allowed) return;
        expect(clock.nowMs()).toBeLessThan(given.answeredMs + TTL_MS + SETTINGS.graceMs);
        expect(given.untilMs).toBeLessThanOrEqual(given.answeredMs + TTL_MS + SETTINGS.graceMs);
        expect(given.askedMs).toBeGreaterThanOrEqual(forgotten.get(name) ?? 0);
      };
      const refused = (error: unknown): void => {
        expect(error).toBeInstanceOf(PolycastError);
        expect((error as PolycastError).code).toBe('identity_unavailable');
        expect((error as PolycastError).extensions?.['retryAfterMs']).toBeGreaterThan(0);
      };
      const attempt = (name: string, ask: () => Given | Promise<Given>): void => {
        try {
          const given = ask();
          if (!(given instanceof Promise)) return check(name, given);
          waiting.push(given.then((late) => check(name, late), refused));
        } catch (error) {
          refused(error);
        }
      };
      for (const one of list) {
        if (one.do === 'pass') clock.advance(one.ms);
        if (one.do === 'forget') {
          // Only the clock distinguishes two moments here.
          clock.advance(1);
          lookup.forget(`user ${one.key}`);
          forgotten.set(String(one.key), clock.nowMs());
        }
        if (one.do === 'ask') attempt(String(one.key), () => lookup.ask(String(one.key), () => String(one.key)));
        if (one.do === 'renew')
          attempt(String(one.key), () => lookup.renew(String(one.key), () => String(one.key), clock.nowMs()));
        if (one.do === 'end') sent[one.which % Math.max(1, sent.length)]?.end(one.how);
        await Promise.resolve().then(() => undefined);
        await new Promise((resolve) => setImmediate(resolve));
        expect(new Set(sent.map((each) => each.key)).size).toBe(sent.length);
      }
      for (let rounds = 0; sent.length > 0; rounds++) {
        expect(rounds).toBeLessThan(100);
        sent[0]?.end('fail');
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(waiting);
      expect(rig.concurrentMax).toBeLessThanOrEqual(SETTINGS.concurrentMax);
      // When the site works again, it receives a question: first a probe, if one is known.
      clock.advance(TTL_MS + SETTINGS.graceMs);
      const last = lookup.ask('0', () => '0');
      expect(sent).toHaveLength(1);
      sent[0]?.end('yes');
      await new Promise((resolve) => setImmediate(resolve));
      sent[0]?.end('yes');
      expect(await last).toMatchObject({ allowed: true });
    }),
    { numRuns: 100, examples: [[SLOWER_THAN_ITS_ANSWER_HOLDS]] },
  );
});

test('a request that has waited too long for its turn fails', async () => {
  const { lookup, sent, clock } = new Rig({ concurrentMax: 1 });
  const ask = (name: string): Promise<unknown> =>
    Promise.resolve(lookup.ask(name, () => name)).catch((error: unknown) => (error as PolycastError).code);
  const answers = [ask('1'), ask('2'), ask('3')];
  clock.advance(401);
  sent[0]?.end('yes');
  expect(await answers[0]).toMatchObject({ allowed: true });
  expect(await answers[1]).toBe('identity_unavailable');
  expect(await answers[2]).toBe('identity_unavailable');
  expect(lookup.stats).toEqual({ asked: 1, failed: 0, graced: 0, unavailable: 2 });
});

test('an outage fails the waiting requests immediately', async () => {
  const { lookup, sent } = new Rig({ concurrentMax: 1, failuresMax: 1, queueMax: 100 });
  const answers = Array.from({ length: 50 }, async (_, index) => lookup.ask(`${index}`, () => `${index}`));
  sent[0]?.end('fail');
  const settled = await Promise.allSettled(answers);
  expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
  expect(lookup.stats.asked).toBe(1);
});

test('waiting requests are bounded in bytes: the client with the most loses its newest, others find room, and memory is released', async () => {
  const { lookup, sent } = new Rig({ concurrentMax: 1, queueMax: 1000, queueBytesMax: 100_000 });
  const long = (name: string): string => `${name} ${'x'.repeat(10_000)}`;
  const ask = async (name: string, client: string): Promise<unknown> =>
    Promise.resolve()
      .then(() =>
        lookup.ask(
          name,
          () => long(name),
          () => client,
        ),
      )
      .then(
        ({ allowed }) => allowed,
        (error: unknown) => (error as PolycastError).code,
      );
  const crowd = Array.from({ length: 50 }, (_, index) => ask(`crowd ${index}`, 'crowd'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(lookup.waiting.bytes).toBeGreaterThan(80_000);
  expect(lookup.waiting.bytes).toBeLessThanOrEqual(lookup.waiting.bytesMax);
  const other = ask('other', 'other');
  await new Promise((resolve) => setImmediate(resolve));
  expect(lookup.waiting.bytes).toBeLessThanOrEqual(lookup.waiting.bytesMax);
  while (sent.length > 0) {
    sent[0]?.end('yes');
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await other).toBe(true);
  const answers = await Promise.all(crowd);
  // One was in flight, and one of the four waiting questions gave its place to the other client.
  expect(answers.filter((answer) => answer === true)).toHaveLength(4);
  expect(answers.filter((answer) => answer === 'identity_unavailable')).toHaveLength(46);
  expect(lookup.waiting.bytes).toBe(0);
  expect(lookup.waiting.refused).toBe(46);
});
