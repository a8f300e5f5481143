import { encodeCursor } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { resolveStart } from './start.ts';

const EPOCH = '00tmfk3mp2';
const STATE = { epoch: EPOCH, epochStart: 10, head: 50, unavailable: undefined };
const cursor = (position: number, epoch = EPOCH): string => encodeCursor(epoch, position);

test.each([
  ['nothing', undefined, { position: 50, gap: undefined }],
  ['now', 'now', { position: 50, gap: undefined }],
  ['earliest', 'earliest', { position: 0, gap: undefined, suppressGapThrough: 50 }],
  ['a cursor', cursor(20), { position: 20, gap: undefined }],
  ['the head', cursor(50), { position: 50, gap: undefined }],
  [
    'a cursor ahead of the log',
    cursor(51),
    { position: 50, gap: { from: cursor(51), to: cursor(50), reason: 'epoch' } },
  ],
  [
    'a cursor of another log',
    cursor(3, '00000000zz'),
    { position: 10, gap: { from: cursor(3, '00000000zz'), to: cursor(10), reason: 'epoch' } },
  ],
])('the start after %s', (_name, after, start) =>
  expect(resolveStart(after, STATE)).toEqual({ suppressGapThrough: 0, ...start }),
);

test.each(['', 'NOW', 'Earliest', '0', `${cursor(1)} `, cursor(1).toUpperCase()])('%j is refused', (after) => {
  expect(() => resolveStart(after, STATE)).toThrow(expect.objectContaining({ code: 'invalid_cursor' }));
});

test.each(['2027-01-31T12:00:00Z', '2027-01-31', '10m', '-1h', '1801396800', '1801396800000'])(
  '%j is refused as a time, with what to do instead',
  (after) => {
    expect(() => resolveStart(after, STATE)).toThrow(/"earliest" or "now"\. A time .*\/history .*"since"\.$/);
  },
);

test('what is no time gets no advice about times', () => {
  for (const after of ['', '0', 'yesterday', '12345', `${cursor(1)} `])
    expect(() => resolveStart(after, STATE)).toThrow(/"earliest" or "now"\.$/);
});
