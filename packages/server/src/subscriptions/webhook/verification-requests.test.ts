import { describe, expect, test } from 'vitest';
import type { SendResult, RecordedResponse } from '../state/ports.ts';
import {
  cloudEventsHandshake,
  hookSecretRequest,
  challengeRequest,
  verificationEventBody,
  type VerificationRequest,
} from './verification-requests.ts';

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

const all: readonly (readonly [kind: string, question: VerificationRequest, right: Partial<RecordedResponse>])[] = [
  ['a signed event', challengeRequest('https://a.example', {}, new Uint8Array(), 'abc'), { body: 'abc' }],
  ['X-Hook-Secret', hookSecretRequest('https://a.example', 'abc'), { headers: { 'x-hook-secret': 'abc' } }],
];

describe.each(all)('the question by %s', (_kind, question, right) => {
  test('is consented to by the right answer, of any status of success', () => {
    expect(question.evaluate(answered(right))).toEqual({ isVerified: true, ratePerMinute: undefined });
    expect(consents(question, { ...right, status: 204 })).toBe(true);
  });

  test.each([301, 302, 307, 404, 500])('is not by status %d, with the right answer', (status) => {
    expect(question.evaluate(answered({ ...right, status }))).toEqual({
      isVerified: false,
      detail: `it answered ${status}`,
    });
  });

  test('is not by another answer, by none, or by a failure', () => {
    expect(consents(question, { body: 'abcd', headers: { 'x-hook-secret': 'ABC' } })).toBe(false);
    expect(consents(question, {})).toBe(false);
    expect(question.evaluate(FAILED)).toEqual({ isVerified: false, detail: 'too late' });
  });
});

describe('a signed event', () => {
  const body = verificationEventBody({ id: 'verify_1', subscription: 'sub_1', challenge: 'abc', timeMs: 0 });

  test('is one like all others, on a channel of the hub', () => {
    expect(JSON.parse(Buffer.from(body).toString())).toEqual({
      id: 'verify_1',
      channel: 'polycast.subscriptions.sub_1',
      type: 'polycast.verify',
      time: '1970-01-01T00:00:00.000Z',
      data: { challenge: 'abc', subscription: 'sub_1' },
    });
    expect(challengeRequest('https://a.example', { 'webhook-id': 'verify_1' }, body, 'abc')).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/json', 'webhook-id': 'verify_1' },
      body,
    });
  });

  test.each(['abc', ' abc\n', '{"challenge":"abc"}', '{ "ok":true, "challenge":"\\u0061bc" }'])(
    'is answered by %s',
    (text) => {
      expect(consents(challengeRequest('https://a.example', {}, body, 'abc'), { body: text })).toBe(true);
    },
  );

  test.each(['', '"abc"', 'null', '[]', '{"challenge":["abc"]}', '{"data":{"challenge":"abc"}}', 'abc abc'])(
    'is not by %s',
    (text) => {
      expect(consents(challengeRequest('https://a.example', {}, body, 'abc'), { body: text })).toBe(false);
    },
  );
});

describe('the handshake of CloudEvents', () => {
  const ask = (rate?: number): VerificationRequest => cloudEventsHandshake('https://a.example', 'hub.example', rate);

  test('asks with OPTIONS, by name, and for a rate where there is one', () => {
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
  ])('%o, asked for %s: %s', (headers, rate, expected) => {
    const verdict = ask(rate).evaluate(answered({ status: 200, headers }));
    const outcome = verdict.isVerified ? (verdict.ratePerMinute ?? '*') : 'refused';
    expect(outcome).toBe(expected);
  });

  test('goes by the headers alone, whatever the status', () => {
    expect(consents(ask(), { status: 405, headers: { 'webhook-allowed-origin': '*' } })).toBe(true);
    expect(consents(ask(), { status: 200 })).toBe(false);
    expect(ask().evaluate(FAILED)).toEqual({ isVerified: false, detail: 'too late' });
  });
});
