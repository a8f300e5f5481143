import { expect, test } from 'vitest';
import { parseQueryPairs } from '../http/query.ts';
import { EventsQueryParser } from './events-query.ts';

const queries = new EventsQueryParser({ channelsPerConsumerMax: 3, pollWaitMaxSeconds: 60 });
const NOTHING = {
  channels: [],
  after: undefined,
  history: undefined,
  lastEventId: undefined,
  types: undefined,
  limit: 100,
  waitSeconds: undefined,
  token: undefined,
};

test.each([
  ['', {}],
  ['channel=a&channel=b.*&channel=%3E', { channels: ['a', 'b.*', '>'] }],
  ['channel=a&type=x+y&type=%C3%A9', { channels: ['a'], types: ['x y', 'é'] }],
  ['limit=1&wait=0&after=now&token=a%26b', { limit: 1, waitSeconds: 0, after: 'now', token: 'a&b' }],
  ['history=1000&limit=1000&wait=60', { history: 1000, limit: 1000, waitSeconds: 60 }],
  ['&&limit=2&', { limit: 2 }],
  ['history=5&lastEventId=0000000000-00000000001', { history: 5, lastEventId: '0000000000-00000000001' }],
  ['after=now&lastEventId=', { after: 'now', lastEventId: undefined }],
])('%j is read', (query, expected) => {
  for (let again = 0; again < 2; again++)
    expect(queries.parse('/v1/events?' + query)).toMatchObject({ ...NOTHING, ...expected });
});

test.each([
  ['channel=a&channel=b&channel=c&channel=d', 'too_many_channels'],
  ['channel=a b', 'invalid_pattern'],
  ['limit=1001', 'invalid_parameter'],
  ['limit=01.0', 'invalid_parameter'],
  ['limit=%EF%BC%91', 'invalid_parameter'],
  ['wait=61', 'invalid_parameter'],
  ['wait=1&wait=1', 'invalid_parameter'],
  ['history=1&after=now', 'invalid_parameter'],
  ['x=1', 'invalid_parameter'],
  ['lastEventId=1&lastEventId=2', 'invalid_parameter'],
  ['hasOwnProperty=1', 'invalid_parameter'],
  ['channel=%E0%A4%A', 'invalid_parameter'],
])('%j is refused as %s', (query, code) => {
  for (let again = 0; again < 2; again++)
    expect(() => queries.parse('/v1/events?' + query)).toThrow(expect.objectContaining({ code }));
});

test.each(['since', 'from', 'until'])('%s is refused, and the error says how to find a time', (name) => {
  expect(() => queries.parse(`/v1/events?channel=a&${name}=10m`)).toThrow(
    expect.objectContaining({
      code: 'invalid_parameter',
      message: expect.stringMatching(/^"\w+" is not a parameter of this resource\. A time .*\/history .*"since"\.$/),
    }),
  );
});

test('a query with a token is not cached', () => {
  const one = queries.parse('/v1/events?channel=a&token=secret');
  expect(queries.parse('/v1/events?channel=a&token=secret')).not.toBe(one);
});

test('pairs are decoded like those of forms', () => {
  expect([...parseQueryPairs('a=1&b&c=&=d&e==f')]).toEqual([
    ['a', '1'],
    ['b', ''],
    ['c', ''],
    ['', 'd'],
    ['e', '=f'],
  ]);
});
