import { ERRORS } from '@polycast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openSubscriptionHub } from '../../../testing/subscription-hub.ts';

const WEBHOOK = {
  kind: 'webhook',
  url: 'http://127.0.0.1:9/',
  dialect: 'standard',
  format: 'data',
  headers: { a: 'b' },
  batch: { countMax: 2, waitMs: 1 },
  timeoutMs: 1000,
  retryDelaysSeconds: [1],
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
};
const PULL = { kind: 'pull', leaseSeconds: 5, deliveriesMax: 2 };
const OPTIONS = {
  channels: ['a'],
  types: ['t'],
  filter: { all: [{ equals: ['/data', 1] }] },
  ordering: 'none',
  ratePerSecond: 5,
  concurrencyMax: 2,
  description: 'd',
  metadata: { a: 'b' },
  expires: '2099-01-01T00:00:00Z',
};

/** Any value in the place of a valid one. */
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, '', [], {}, -1, 1e99, 'x'.repeat(3000), '__proto__', { __proto__: null, constructor: 1 }),
);

/** A body with one value replaced or added, at any depth. */
function spoilt(body: object): fc.Arbitrary<object> {
  const places = placesIn(body);
  return fc
    .tuple(fc.constantFrom(...places), fc.oneof(fc.constant(undefined), fc.string()), anything)
    .map(([place, added, value]) => {
      const copy = structuredClone(body);
      const path = added === undefined ? place : [...place.slice(0, -1), added];
      let target = copy as Record<string, unknown>;
      for (const name of path.slice(0, -1)) target = target[name] as Record<string, unknown>;
      const last = path.at(-1) as string;
      // `length` is the only member of a list that cannot be replaced.
      if (Array.isArray(target) && last === 'length') return copy;
      Object.defineProperty(target, last, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
      return copy;
    });
}

function placesIn(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  const below = Object.entries(value).flatMap(([name, member]) => placesIn(member, [...path, name]));
  return path.length === 0 ? below : [path, ...below];
}

const body = fc.oneof(
  spoilt({ ...OPTIONS, start: 'now', delivery: WEBHOOK }),
  spoilt({ ...OPTIONS, start: 'earliest', delivery: PULL }),
  fc.jsonValue().map((value) => value as object),
);

test('any body to create one creates it, or creates nothing and the answer has the reason', async () => {
  const hub = await openSubscriptionHub();
  await fc.assert(
    fc.asyncProperty(body, async (options) => {
      const { status, body: answer } = await hub.ask('POST', '/v1/subscriptions', JSON.stringify(options));
      const stored = (await hub.ask('GET', '/v1/subscriptions')).body['subscriptions'] as { id: string }[];
      if (status === 201) {
        expect(stored.map(({ id }) => id)).toEqual([answer['id']]);
        expect((await hub.ask('DELETE', `/v1/subscriptions/${String(answer['id'])}`)).status).toBe(204);
      } else {
        expect([status, stored]).toEqual([ERRORS[answer['code'] as keyof typeof ERRORS]?.status, []]);
        expect(status).toBeLessThan(500);
      }
    }),
    { numRuns: 300 },
  );
});

test('any body to change one changes it, or changes nothing and the answer has the reason', async () => {
  const hub = await openSubscriptionHub();
  const { id } = await hub.create({ channels: ['a'], delivery: { ...WEBHOOK, retryDelaysSeconds: [] } });
  const path = `/v1/subscriptions/${String(id)}`;
  const { secret: _secret, ...shownOf } = WEBHOOK;
  await fc.assert(
    fc.asyncProperty(spoilt({ ...OPTIONS, delivery: shownOf }), async (changes) => {
      const before = await hub.ask('GET', path);
      const { status, body: answer } = await hub.ask('PATCH', path, JSON.stringify(changes));
      const after = await hub.ask('GET', path);
      if (status === 200) expect(after.body).toEqual(answer);
      else {
        expect(status).toBe(ERRORS[answer['code'] as keyof typeof ERRORS]?.status);
        expect(status).toBeLessThan(500);
        expect([after.body, after.headers.get('etag')]).toEqual([before.body, before.headers.get('etag')]);
      }
    }),
    { numRuns: 300 },
  );
});
