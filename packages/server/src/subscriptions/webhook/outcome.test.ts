import { expect, test } from 'vitest';
import type { SendResult } from '../state/sender.ts';
import { classify } from './outcome.ts';

const NOW_MS = Date.UTC(2026, 0, 5, 12);
const DAY_MS = 86_400_000;

function answered(status: number, headers: Readonly<Record<string, string>> = {}): SendResult {
  return sent({ answer: { status, headers, body: '', isCut: false } });
}

function sent(parts: Partial<SendResult>): SendResult {
  const timing = { nameMs: undefined, connectMs: undefined, tlsMs: undefined, firstByteMs: undefined, totalMs: 1 };
  return { answer: undefined, failure: undefined, timing, detail: '', isPrivateAddress: false, ...parts };
}

test.each([200, 204, 299])('%d is delivered', (status) => {
  expect(classify(answered(status), NOW_MS)).toEqual({ outcome: 'delivered' });
});

test.each([
  [301, 'redirected', 'rejected'],
  [308, 'redirected', 'rejected'],
  [400, 'refused_status', 'rejected'],
  [404, 'refused_status', 'rejected'],
  [410, 'gone', 'rejected'],
  [429, 'slowed_down', 'overloaded'],
  [500, 'refused_status', 'rejected'],
  [501, 'refused_status', 'rejected'],
  [502, 'slowed_down', 'overloaded'],
  [503, 'slowed_down', 'overloaded'],
  [504, 'slowed_down', 'overloaded'],
])('%d is %s: %s', (status, outcome, feedback) => {
  expect(classify(answered(status), NOW_MS)).toEqual({ outcome, feedback: feedback, retryAfterMs: undefined });
});

test.each(['timeout', 'connection', 'name_not_found', 'destination', 'certificate', 'answer', 'url'] as const)(
  'a failure by %s halves the concurrency',
  (failure) => {
    expect(classify(sent({ failure }), NOW_MS)).toEqual({
      outcome: failure,
      feedback: 'overloaded',
      retryAfterMs: undefined,
    });
  },
);

test('an answer that began and then failed counts as no answer', () => {
  const { answer } = answered(200);
  expect(classify(sent({ answer, failure: 'timeout' }), NOW_MS).outcome).toBe('timeout');
});

test.each([
  ['0', 0],
  ['120', 120_000],
  [' 7 ', 7000],
  ['86400', DAY_MS],
  ['86401', DAY_MS],
  ['999999999', DAY_MS],
  ['9'.repeat(40), DAY_MS],
  ['Mon, 05 Jan 2026 12:01:00 GMT', 60_000],
  ['Monday, 05-Jan-26 12:01:00 GMT', 60_000],
  ['Mon Jan  5 12:01:00 2026', 60_000],
  ['Mon, 05 Jan 2026 11:00:00 GMT', 0],
  ['Fri, 05 Jan 2126 12:00:00 GMT', DAY_MS],
  ['', undefined],
  ['soon', undefined],
  ['soon 3000', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['1e9', undefined],
  ['12, 13', undefined],
  ['2026-01-05T12:01:00Z', undefined],
])('Retry-After %j means %s ms', (text, retryAfterMs) => {
  for (const status of [429, 502, 503, 504, 500, 404])
    expect(classify(answered(status, { 'retry-after': text }), NOW_MS).retryAfterMs).toBe(retryAfterMs);
});

test.each([200, 301, 410])('Retry-After has no effect with status %d', (status) => {
  expect(classify(answered(status, { 'retry-after': '60' }), NOW_MS).retryAfterMs).toBeUndefined();
});
