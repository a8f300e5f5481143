import { expect, test } from 'vitest';
import type { SubscriptionDefinition, WebhookDelivery } from '../state/definition.ts';
import { internDefinition } from './intern-definition.ts';

function definition(parts: object, delivery: object): SubscriptionDefinition {
  const webhook = { kind: 'webhook', url: 'https://a.example/', headers: {}, retryDelaysMs: [1, 2], ...delivery };
  return {
    id: 'sub_1',
    owner: { key: undefined, user: undefined },
    channels: ['a.>'],
    metadata: {},
    delivery: webhook,
    ...parts,
  } as never;
}

function partsOf({ owner, metadata, delivery }: SubscriptionDefinition): unknown[] {
  const { headers, retryDelaysMs } = delivery as WebhookDelivery;
  return [owner, metadata, headers, retryDelaysMs];
}

test('equal parts are shared in memory, without a change of any value', () => {
  const one = internDefinition(definition({}, {}), []);
  const other = internDefinition(definition({ id: 'sub_2' }, { url: 'https://b.example/' }), []);
  expect(one).toStrictEqual(definition({}, {}));
  for (const [index, part] of partsOf(one).entries()) expect(part).toBe(partsOf(other)[index]);
  const own = internDefinition(
    definition(
      { owner: { key: 'k', user: undefined }, metadata: { a: '1' } },
      { headers: { b: '2' }, retryDelaysMs: [1] },
    ),
    [],
  );
  expect(partsOf(own)).toStrictEqual([{ key: 'k', user: undefined }, { a: '1' }, { b: '2' }, [1]]);
});

test('the channels are those of the interest where they are equal, also in their order', () => {
  const interned = (channels: readonly string[], patterns: readonly string[]): readonly string[] =>
    internDefinition(definition({ channels }, {}), patterns).channels;
  const one = ['a'];
  expect(interned(['a'], one)).toBe(one);
  const both = ['a', 'b'];
  expect(interned(['a', 'b'], both)).toBe(both);
  expect(interned(['b', 'a'], both)).toEqual(['b', 'a']);
  expect(interned(['a', 'a'], one)).toEqual(['a', 'a']);
});
