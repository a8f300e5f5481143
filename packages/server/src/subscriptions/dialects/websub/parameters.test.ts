import { describe, expect, it } from 'vitest';
import { hubRequestOf } from './parameters.ts';

const PARAMETERS = {
  'hub.mode': 'subscribe',
  'hub.topic': 'https://hub.example/v1/channels/news',
  'hub.callback': 'https://reader.example/callback?topic=news&x=%20',
};

function read(...changes: readonly Readonly<Record<string, string | undefined>>[]) {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(Object.assign({}, PARAMETERS, ...changes) as typeof PARAMETERS))
    if (value !== undefined) form.append(name, value);
  return hubRequestOf(form);
}

function refused(...changes: readonly Readonly<Record<string, string | undefined>>[]): string {
  try {
    read(...changes);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a request to the WebSub hub', () => {
  it('is accepted with the required parameters alone', () => {
    expect(read()).toEqual({
      mode: 'subscribe',
      topic: PARAMETERS['hub.topic'],
      callback: PARAMETERS['hub.callback'],
      leaseSeconds: undefined,
      secret: undefined,
      algorithm: undefined,
      verifyToken: undefined,
    });
  });

  it('may set the lease, the secret and the algorithm', () => {
    expect(read({ 'hub.lease_seconds': '3600', 'hub.secret': 'küche', 'hub.algorithm': 'sha512' })).toMatchObject({
      leaseSeconds: 3600,
      secret: 'küche',
      algorithm: 'sha512',
    });
  });

  it('to unsubscribe ignores lease, secret and algorithm', () => {
    const terms = { 'hub.lease_seconds': 'abc', 'hub.secret': 'x'.repeat(300), 'hub.algorithm': 'md5' };
    const nothing = { leaseSeconds: undefined, secret: undefined, algorithm: undefined };
    expect(read({ 'hub.mode': 'unsubscribe' }, terms)).toMatchObject(nothing);
    expect(refused(terms)).not.toBe('');
  });

  it('may have unknown parameters', () => {
    expect(read({ 'hub.strange': 'yes', other: 'too' })).toMatchObject({ mode: 'subscribe' });
  });

  it('may be of PubSubHubbub 0.3, which signs with SHA-1', () => {
    const old = { 'hub.verify': 'async', 'hub.verify_token': 'a token', 'hub.lease_seconds': '', 'hub.secret': '' };
    expect(read(old)).toMatchObject({
      leaseSeconds: undefined,
      secret: undefined,
      algorithm: 'sha1',
      verifyToken: 'a token',
    });
    expect(read(old, { 'hub.lease_seconds': '0', 'hub.algorithm': 'sha384' })).toMatchObject({
      leaseSeconds: undefined,
      algorithm: 'sha384',
    });
  });

  it.each([
    [{ 'hub.mode': undefined }, 'hub.mode is missing.'],
    [{ 'hub.mode': 'Subscribe' }, 'hub.mode must be subscribe, unsubscribe or publish.'],
    [{ 'hub.topic': undefined }, 'hub.topic is missing.'],
    [{ 'hub.topic': 'news' }, /hub.topic must be an http or https URL/],
    [{ 'hub.callback': undefined }, 'hub.callback is missing.'],
    [{ 'hub.callback': 'ftp://reader.example/' }, /hub.callback must be an http or https URL/],
    [{ 'hub.callback': 'https://u:p@reader.example/' }, /no user name, password or fragment/],
    [{ 'hub.callback': 'https://reader.example/#there' }, /no user name, password or fragment/],
    [{ 'hub.callback': 'https://reader.example/a b' }, /percent-encoded/],
    [{ 'hub.topic': 'https://blog.example/>; rel="next", <' }, /percent-encoded/],
    [{ 'hub.topic': 'https://blog.example/>;rel="next",<' }, /percent-encoded/],
    [{ 'hub.callback': `https://reader.example/${'x'.repeat(2048)}` }, /at most 2048 characters/],
    [{ 'hub.lease_seconds': '-1' }, /whole number of seconds/],
    [{ 'hub.lease_seconds': '1e3' }, /whole number of seconds/],
    [{ 'hub.secret': 'x'.repeat(200) }, /less than 200 bytes/],
    [{ 'hub.secret': 'ü'.repeat(100) }, /less than 200 bytes/],
    [{ 'hub.algorithm': 'md5' }, /must be sha1, sha256, sha384 or sha512/],
    [{ 'hub.verify_token': 'x'.repeat(1025) }, /at most 1024 characters/],
  ])('is refused with %o', (change, message) => {
    expect(refused(change)).toMatch(message);
  });

  it('is refused where a parameter is given twice', () => {
    const form = new URLSearchParams(PARAMETERS);
    form.append('hub.callback', 'https://victim.example/');
    expect(() => hubRequestOf(form)).toThrow('hub.callback may occur only once.');
  });

  it('accepts a secret of 199 bytes', () => {
    expect(read({ 'hub.secret': 'x'.repeat(199) })).toMatchObject({ secret: 'x'.repeat(199) });
  });
});

describe("a publisher's ping", () => {
  const ping = (query: string) => hubRequestOf(new URLSearchParams(`hub.mode=publish&${query}`));
  it('names one or several topics by hub.url, as in PubSubHubbub, or by hub.topic', () => {
    expect(ping('hub.url=https://a.example/1&hub.url=https://a.example/2')).toEqual({
      mode: 'publish',
      topics: [
        { name: 'hub.url', url: 'https://a.example/1' },
        { name: 'hub.url', url: 'https://a.example/2' },
      ],
    });
    expect(ping('hub.topic=https://a.example/1&hub.url=https://a.example/1')).toEqual({
      mode: 'publish',
      topics: [{ name: 'hub.url', url: 'https://a.example/1' }],
    });
  });

  it('is refused without a topic, with an invalid one, or with too many', () => {
    expect(() => ping('')).toThrow('hub.topic is missing, and so is hub.url.');
    const many = (name: string) =>
      Array.from({ length: 101 }, (_, index) => `${name}=https://a.example/${index}`).join('&');
    // The error names the parameter that the publisher used.
    for (const name of ['hub.url', 'hub.topic']) {
      expect(() => ping(`${name}=news`)).toThrow(`${name} must be an http or https URL`);
      expect(() => ping(many(name))).toThrow(`${name} occurs more than 100 times`);
    }
    expect(() => ping('hub.topic=https://a.example/1&hub.url=news')).toThrow('hub.url must be');
    expect(() => ping('hub.url=https://a.example/1&hub.topic=news')).toThrow('hub.topic must be');
  });
});
