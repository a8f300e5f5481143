import { describe, expect, test } from 'vitest';
import { webhook } from '../../testing/subscription-kit.ts';
import type { RecordedResponse } from '../state/ports.ts';
import type { SendResult } from '../state/sender.ts';
import type { Dialect, VerificationRequest } from '../state/dialect.ts';
import { cloudEvents } from './cloudevents/dialect.ts';
import { restHooks } from './rest-hooks/dialect.ts';
import { standard } from './standard/dialect.ts';

const TIMING = { nameMs: undefined, connectMs: undefined, tlsMs: undefined, firstByteMs: 1, totalMs: 1 };

function answered(answer: Partial<RecordedResponse>): SendResult {
  const whole = { status: 200, headers: {}, body: '', isCut: false, ...answer };
  return { failure: undefined, detail: '', answer: whole, isPrivateAddress: false, timing: TIMING };
}

const FAILED: SendResult = {
  failure: 'timeout',
  detail: 'too late',
  answer: undefined,
  isPrivateAddress: false,
  timing: TIMING,
};

function consents(question: VerificationRequest, answer: Partial<RecordedResponse>): boolean {
  return question.evaluate(answered(answer)).isVerified;
}

/** The request for a subscription; its random texts are `abc`, and it is made at the time 0. */
function requestOf(dialect: Dialect, ratePerSecond?: number): VerificationRequest {
  const { delivery } = webhook('https://a.example');
  if (delivery.kind === 'pull' || dialect.verification === undefined) throw new Error('nothing to verify');
  const context = { origin: 'hub.example', nowMs: 0, randomText: () => 'abc' };
  return dialect.verification.request({ id: 'sub_1', ratePerSecond, delivery }, context);
}

const all: readonly (readonly [kind: string, question: VerificationRequest, right: Partial<RecordedResponse>])[] = [
  ['a signed event', requestOf(standard), { body: 'abc' }],
  ['X-Hook-Secret', requestOf(restHooks), { headers: { 'x-hook-secret': 'abc' } }],
];

describe.each(all)('a verification by %s', (_kind, question, right) => {
  test('succeeds with the right answer, with any status from 200 to 299', () => {
    expect(question.evaluate(answered(right))).toEqual({ isVerified: true, ratePerMinute: undefined });
    expect(consents(question, { ...right, status: 204 })).toBe(true);
  });

  test.each([301, 302, 307, 404, 500])('fails with status %d, with the right answer', (status) => {
    expect(question.evaluate(answered({ ...right, status }))).toEqual({
      isVerified: false,
      detail: `it answered with status ${status}`,
    });
  });

  test('fails with a wrong answer, without one, or after an error', () => {
    expect(consents(question, { body: 'abcd', headers: { 'x-hook-secret': 'ABC' } })).toBe(false);
    expect(consents(question, {})).toBe(false);
    expect(question.evaluate(FAILED)).toEqual({ isVerified: false, detail: 'too late' });
  });
});

describe('a verification by a signed event', () => {
  const request = requestOf(standard);

  test('sends an ordinary event, on a channel of the hub', () => {
    expect(JSON.parse(Buffer.from(request.body ?? []).toString())).toEqual({
      id: 'verify_abc',
      channel: 'polycast.subscriptions.sub_1',
      type: 'polycast.verify',
      time: '1970-01-01T00:00:00.000Z',
      data: { challenge: 'abc', subscription: 'sub_1' },
    });
    expect(request).toMatchObject({
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': 'verify_abc',
        'webhook-signature': expect.stringMatching(/^v1,/) as string,
      },
    });
  });

  test.each(['abc', ' abc\n', '{"challenge":"abc"}', '{ "ok":true, "challenge":"\\u0061bc" }'])(
    'succeeds with %s',
    (text) => {
      expect(consents(request, { body: text })).toBe(true);
    },
  );

  test.each(['', '"abc"', 'null', '[]', '{"challenge":["abc"]}', '{"data":{"challenge":"abc"}}', 'abc abc'])(
    'fails with %s',
    (text) => {
      expect(consents(request, { body: text })).toBe(false);
    },
  );
});

describe('the handshake of CloudEvents', () => {
  const ask = (ratePerMinute?: number): VerificationRequest =>
    requestOf(cloudEvents, ratePerMinute === undefined ? undefined : ratePerMinute / 60);

  test('sends OPTIONS, with its name, and with a rate if one is configured', () => {
    expect(ask()).toMatchObject({
      method: 'OPTIONS',
      headers: { 'webhook-request-origin': 'hub.example' },
      body: undefined,
    });
    expect(ask(90.5).headers).toEqual({ 'webhook-request-origin': 'hub.example', 'webhook-request-rate': '90' });
  });

  test.each<[headers: Record<string, string>, rate: number | undefined, expected: number | '*' | 'refused']>([
    [{ 'webhook-allowed-origin': '*' }, undefined, '*'],
    [{ 'webhook-allowed-origin': 'HUB.example' }, undefined, '*'],
    [{ 'webhook-allowed-origin': 'hub.example', 'webhook-allowed-rate': '120' }, undefined, 120],
    [{ 'webhook-allowed-origin': 'hub.example', 'webhook-allowed-rate': '*' }, 60, '*'],
    [{ 'webhook-allowed-origin': 'hub.example', 'webhook-allowed-rate': '30' }, 60, 30],
    [{ 'webhook-allowed-origin': 'hub.example' }, 60, 'refused'],
    [{ 'webhook-allowed-origin': 'hub.example', 'webhook-allowed-rate': '0' }, 60, 'refused'],
    [{ 'webhook-allowed-origin': 'hub.example', 'webhook-allowed-rate': 'lots' }, undefined, 'refused'],
    [{ 'webhook-allowed-origin': 'other.example', 'webhook-allowed-rate': '*' }, undefined, 'refused'],
    [{ 'webhook-allowed-rate': '*' }, undefined, 'refused'],
    [{ allow: 'POST, OPTIONS', 'access-control-allow-origin': '*' }, undefined, 'refused'],
  ])('%o, requested %s: %s', (headers, rate, expected) => {
    const verdict = ask(rate).evaluate(answered({ status: 200, headers }));
    const outcome = verdict.isVerified ? (verdict.ratePerMinute ?? '*') : 'refused';
    expect(outcome).toBe(expected);
  });

  test('depends on the headers alone, whatever the status', () => {
    expect(consents(ask(), { status: 405, headers: { 'webhook-allowed-origin': '*' } })).toBe(true);
    expect(consents(ask(), { status: 200 })).toBe(false);
    expect(ask().evaluate(FAILED)).toEqual({ isVerified: false, detail: 'too late' });
  });
});
