import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SendResult } from '../../state/sender.ts';
import type { Intent } from './parameters.ts';
import { denial, isConfirmed, verificationRequest } from './callback-verification.ts';

const INTENT: Intent = {
  mode: 'subscribe',
  topic: 'https://hub.example/v1/channels/news?a=b&c',
  callback: 'https://reader.example/callback',
  leaseSeconds: undefined,
  secret: 'kept to themselves',
  algorithm: undefined,
  verifyToken: undefined,
};

describe('the request to a callback', () => {
  it('is a GET with mode, topic, challenge and lease, without the secret', () => {
    const { url, method, body } = verificationRequest(INTENT, 'challenge', 864_000);
    expect([method, body]).toEqual(['GET', undefined]);
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual({
      'hub.mode': 'subscribe',
      'hub.topic': INTENT.topic,
      'hub.challenge': 'challenge',
      'hub.lease_seconds': '864000',
    });
  });

  it('has no lease when it is about an unsubscription, and the token of PubSubHubbub 0.3 if there is one', () => {
    const { url } = verificationRequest({ ...INTENT, mode: 'unsubscribe', verifyToken: 'a&b' }, 'challenge', 0);
    const asked = new URL(url).searchParams;
    expect([asked.get('hub.mode'), asked.has('hub.lease_seconds')]).toEqual(['unsubscribe', false]);
    expect(asked.get('hub.verify_token')).toBe('a&b');
  });

  it("keeps the callback's own query, character for character", () => {
    const start = (callback: string) => verificationRequest({ ...INTENT, callback }, 'c', 1).url.split('hub.mode')[0];
    expect(start('https://r.example/?a=%20&b=+;')).toBe('https://r.example/?a=%20&b=+;&');
    expect(start('https://r.example')).toBe('https://r.example?');
    expect(start('https://r.example?')).toBe('https://r.example?');
    expect(start('https://r.example?a&')).toBe('https://r.example?a&');
  });

  it('encodes any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (topic, reason) => {
        const asked = new URL(denial(topic, 'https://r.example/?x=1', reason).url).searchParams;
        expect(Object.fromEntries(asked)).toEqual({
          x: '1',
          'hub.mode': 'denied',
          'hub.topic': topic,
          'hub.reason': reason,
        });
      }),
    );
  });
});

describe('the answer of a callback', () => {
  const sent = (status: number, body: string, isCut = false): SendResult => ({
    failure: undefined,
    detail: '',
    answer: { status, headers: {}, body, isCut },
    isPrivateAddress: false,
    timing: { nameMs: undefined, connectMs: undefined, tlsMs: undefined, firstByteMs: undefined, totalMs: 1 },
  });

  it('confirms only with the challenge and a 2xx', () => {
    for (const status of [200, 201, 204, 299]) expect(isConfirmed(sent(status, 'challenge'), 'challenge')).toBe(true);
    for (const status of [301, 302, 307, 400, 404, 500])
      expect(isConfirmed(sent(status, 'challenge'), 'challenge'), String(status)).toBe(false);
    for (const body of ['', 'chal', 'challenge\n', ' challenge', 'CHALLENGE', 'challengechallenge'])
      expect(isConfirmed(sent(200, body), 'challenge'), body).toBe(false);
  });

  it('does not confirm if it is incomplete or missing', () => {
    expect(isConfirmed(sent(200, 'challenge', true), 'challenge')).toBe(false);
    expect(isConfirmed({ ...sent(200, 'challenge'), failure: 'timeout', answer: undefined }, 'challenge')).toBe(false);
  });
});
