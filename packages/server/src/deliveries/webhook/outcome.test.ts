import { expect, test } from 'vitest';
import type { Sent } from '../../core/subscription/ports.ts';
import { judge } from './outcome.ts';

const NOW_MS = Date.UTC(2026, 0, 5, 12);
const DAY_MS = 86_400_000;

function answered(status: number, headers: Readonly<Record<string, string>> = {}): Sent {
  return sent({ answer: { status, headers, body: '', isCut: false } });
}

function sent(parts: Partial<Sent>): Sent {
  const timing = { nameMs: undefined, connectMs: undefined, tlsMs: undefined, firstByteMs: undefined, totalMs: 1 };
  return { answer: undefined, failure: undefined, timing, detail: '', isInside: false, ...parts };
}

test.each([
  [200, 'delivered', 'well'],
  [204, 'delivered', 'well'],
  [299, 'delivered', 'well'],
  [301, 'redirected', 'refused'],
  [308, 'redirected', 'refused'],
  [400, 'refused_status', 'refused'],
  [404, 'refused_status', 'refused'],
  [410, 'gone', 'refused'],
  [429, 'slowed_down', 'overrun'],
  [500, 'refused_status', 'refused'],
  [501, 'refused_status', 'refused'],
  [502, 'slowed_down', 'overrun'],
  [503, 'slowed_down', 'overrun'],
  [504, 'slowed_down', 'overrun'],
])('%d is %s: %s', (status, outcome, going) => {
  expect(judge(answered(status), NOW_MS)).toEqual({ outcome, going, retryAfterMs: undefined });
});

test.each(['timeout', 'connection', 'name_not_found', 'destination', 'certificate', 'answer', 'url'] as const)(
  'no answer for %s is an overrun',
  (failure) => {
    expect(judge(sent({ failure }), NOW_MS)).toEqual({ outcome: failure, going: 'overrun', retryAfterMs: undefined });
  },
);

test('an answer that came and then failed is none', () => {
  const { answer } = answered(200);
  expect(judge(sent({ answer, failure: 'timeout' }), NOW_MS).outcome).toBe('timeout');
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
])('Retry-After %j asks for %s ms', (text, retryAfterMs) => {
  for (const status of [429, 502, 503, 504, 500, 404])
    expect(judge(answered(status, { 'retry-after': text }), NOW_MS).retryAfterMs).toBe(retryAfterMs);
});

test.each([200, 301, 410])('Retry-After says nothing beside %d', (status) => {
  expect(judge(answered(status, { 'retry-after': '60' }), NOW_MS).retryAfterMs).toBeUndefined();
});
