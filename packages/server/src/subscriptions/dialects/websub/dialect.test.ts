import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { webSub } from './dialect.ts';

const BODY = Buffer.from('{"test": 2432232314}');

describe('the signature of WebSub', () => {
  const text = 'geheim=, 秘密';

  test.each(['sha1', 'sha256', 'sha384', 'sha512'])(
    'is by %s, with the secret exactly as it was given',
    (algorithm) => {
      const expected = createHmac(algorithm, Buffer.from(text)).update(BODY).digest('hex');
      const secrets = [`${algorithm}=${text}`, 'sha1=another'].map((each) => ({ text: each, endsMs: undefined }));
      expect(webSub.signatureHeaders(secrets, 'id', BODY, 0, [])).toEqual({
        'webhook-id': 'id',
        'x-hub-signature': `${algorithm}=${expected}`,
      });
    },
  );

  test('exists if and only if there is a secret', () => {
    expect(webSub.signatureHeaders([], 'id', BODY, 0, [])).toEqual({ 'webhook-id': 'id' });
    const ended = [{ text: `sha256=${text}`, endsMs: 5 }];
    expect(webSub.signatureHeaders(ended, 'id', BODY, 5, [])).toEqual({ 'webhook-id': 'id' });
  });
});
