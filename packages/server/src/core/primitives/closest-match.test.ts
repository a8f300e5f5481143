import { expect, test } from 'vitest';
import { closestMatch } from './closest-match.ts';

const KNOWN = ['listen', 'delivery.heartbeatMs', 'limits.headerBytesMax', 'limits.bodyBytesMax', 'type', 'file'];

test.each([
  ['lissten', 'listen'],
  ['tyep', 'type'],
  ['heartbeatMs', 'delivery.heartbeatMs'],
  ['delivery.heartbeat_ms', 'delivery.heartbeatMs'],
  ['delivery.heartBeatMS', 'delivery.heartbeatMs'],
  ['limits.bodyByteMax', 'limits.bodyBytesMax'],
])('%s is corrected to %s', (given, expected) => {
  expect(closestMatch(given, KNOWN)).toBe(expected);
});

test.each(['', 'colour', 'x', 'zzzzzzzz'])('"%s" is not corrected', (given) => {
  expect(closestMatch(given, KNOWN)).toBeUndefined();
});
