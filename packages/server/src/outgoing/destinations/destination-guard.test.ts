import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ResolveName } from './name-resolver.ts';
import { addressText, rangeOf } from '../testing/address-range.ts';
import { SPECIAL_ADDRESSES } from '../testing/special-addresses.ts';
import { post, recordingDial, testSender } from '../testing/test-sender.ts';

/** The addresses that this URL would connect to, and the outcome. */
async function attempt(
  url: string,
  resolve: ResolveName = neverAsked,
): Promise<{ failure: string; dialled: string[] }> {
  const { dial, dialled } = recordingDial();
  const { failure = 'none' } = await testSender({ dial, resolve }).send(post(url));
  return { failure, dialled };
}

const neverAsked: ResolveName = (name) => {
  throw new Error(`a name server was asked for ${name}`);
};

function resolving(...addresses: string[]): ResolveName {
  return async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
}

const CLOSED = { failure: 'destination', dialled: [] };

describe('no connection is made to', () => {
  test.each(SPECIAL_ADDRESSES)('%s (%s), as an address or through a name', async (block, _kind, ...written) => {
    const { first, last } = rangeOf(block);
    const some = fc.sample(fc.bigInt(first, last), { numRuns: 5, seed: 42 });
    for (const address of [...written, ...some.map((each) => addressText(each, block))]) {
      const host = address.includes(':') ? `[${address}]` : address;
      for (const url of [`http://${host}/`, `https://${host}:8443/a`]) expect(await attempt(url)).toEqual(CLOSED);
      expect(await attempt('https://a.example/', resolving(address))).toEqual(CLOSED);
    }
  });

  test.each([
    '0x7f000001',
    '0X7F.0.0.1',
    '0x7f.1',
    '2130706433',
    '017700000001',
    '0177.0.0.1',
    '127.1',
    '127.0.1',
    '127.0.0.1.',
    '%31%32%37.0.0.1',
    '①②⑦.0.0.1',
    '127。0。0。1',
    '１２７.０.０.１',
    '0',
    '0.0.0.0',
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::127.0.0.1]',
    '[::ffff:127.0.0.1]',
    '[0:0:0:0:0:ffff:7f00:1]',
    '[::FFFF:a9fe:a9fe]',
    '[::ffff:0:127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    '[2001:0:7f00:1::]',
    '169.254.169.254',
    '0xa9fea9fe',
    'localhost',
    'LOCALHOST',
    'localhost.',
    'a.localhost',
    'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
    'local%68ost',
  ])('%s', async (host) => {
    for (const scheme of ['http', 'https']) expect(await attempt(`${scheme}://${host}/`)).toEqual(CLOSED);
  });

  test.each([
    ['ftp://1.1.1.1/'],
    ['file:///etc/passwd'],
    ['gopher://1.1.1.1/'],
    ['unix:/var/run/docker.sock'],
    ['javascript:1'],
    ['https://a:b@1.1.1.1/'],
    ['https://a@1.1.1.1/'],
    ['https://1.1.1.1@127.0.0.1/'],
    ['http://[fe80::1%25eth0]/'],
    ['http://256.0.0.1/'],
    ['http://1.2.3.4.5/'],
    ['1.1.1.1'],
    ['//1.1.1.1/'],
    ['/v1/keys'],
    [''],
    ['http://'],
  ])('"%s", which is not an address', async (url) => {
    expect(await attempt(url)).toEqual({ failure: 'url', dialled: [] });
    expect(testSender().urlProblem(url)).toMatchObject({ failure: 'url' });
  });

  test.each(['\\\\127.0.0.1\\', '/\\127.0.0.1', '//127.0.0.1:80:80@1.1.1.1'])(
    'http:%s, in any spelling',
    async (rest) => {
      expect((await attempt(`http:${rest}`)).dialled).toEqual([]);
    },
  );

  test.each([1, 22, 25, 53, 3306, 5432, 6379, 8080, 11_211, 65_535])(
    'port %d, which is not used for HTTP',
    async (port) => {
      expect(await attempt(`http://1.1.1.1:${port}/`)).toEqual(CLOSED);
      expect(await attempt(`http://a.example:${port}/`, resolving('1.1.1.1'))).toEqual(CLOSED);
      expect(testSender().urlProblem(`http://a.example:${port}/`)).toMatchObject({ failure: 'destination' });
    },
  );

  test.each([
    ['1.1.1.1', '192.168.0.1'],
    ['192.168.0.1', '1.1.1.1'],
    ['1.1.1.1', '::1'],
    ['2606:4700::1111', '127.0.0.1'],
    ['1.1.1.1', '1.0.0.1', '2606:4700::1111', '::ffff:10.0.0.1'],
  ])('a name with addresses of both kinds: %s', async (...addresses) => {
    expect(await attempt('https://a.example/', resolving(...addresses))).toEqual(CLOSED);
  });

  test('a name without an address', async () => {
    expect(await attempt('https://a.example/', resolving())).toEqual(CLOSED);
  });
});

describe('a connection is made', () => {
  test('to public addresses, so that the refusals above are no accident', async () => {
    expect(await attempt('https://1.1.1.1/')).toEqual({ failure: 'connection', dialled: ['1.1.1.1 443'] });
    expect(await attempt('http://[2606:4700::1111]:8443/')).toEqual({
      failure: 'connection',
      dialled: ['2606:4700::1111 8443'],
    });
    expect(await attempt('http://A.Example./', resolving('1.1.1.1', '2606:4700::1111'))).toEqual({
      failure: 'connection',
      dialled: ['1.1.1.1 80', '2606:4700::1111 80'],
    });
  });

  test('to addresses of the allow list, unless they are denied as well', async () => {
    const { dial, dialled } = recordingDial();
    const sender = testSender({
      dial,
      resolve: resolving('10.1.2.3'),
      allow: ['10.0.0.0/8', 'b.example:9000'],
      deny: ['c.example', '10.1.2.4'],
    });
    const outcome = async (url: string): Promise<string | undefined> => (await sender.send(post(url))).failure;
    expect(await outcome('https://a.example/')).toBe('connection');
    expect(await outcome('http://b.example:9000/')).toBe('connection');
    expect(dialled).toEqual(['10.1.2.3 443', '10.1.2.3 9000']);
    for (const url of ['https://c.example/', 'https://10.1.2.4/', 'http://a.example:9000/', 'https://192.168.0.1/'])
      expect(await outcome(url)).toBe('destination');
    expect(dialled).toHaveLength(2);
  });

  test('in development to this machine, and to no other private address', async () => {
    const { dial, dialled } = recordingDial();
    const sender = testSender({ dial, loopback: true, resolve: resolving('127.0.0.1') });
    for (const host of ['127.0.0.1:3000', 'localhost:3001', 'a.localhost:3002', 'a.example:3003'])
      expect((await sender.send(post(`http://${host}/`))).failure).toBe('connection');
    for (const host of ['10.0.0.1', '192.168.1.1', '169.254.169.254', '0.0.0.0', '[::ffff:127.0.0.1]', '[fc00::1]'])
      expect((await sender.send(post(`http://${host}/`))).failure).toBe('destination');
    expect(dialled.map((each) => each.split(' ')[1])).toEqual(['3000', '3001', '3001', '3002', '3002', '3003']);
    expect(dialled.every((each) => /^(?:127\.0\.0\.1|::1) /.test(each))).toBe(true);
  });
});

describe('with httpsOnly', () => {
  test('http is used only for hosts that are allowed explicitly', async () => {
    const { dial, dialled } = recordingDial();
    const sender = testSender({ dial, httpsOnly: true, allow: ['b.example'], resolve: resolving('1.1.1.1') });
    expect(await sender.send(post('http://a.example/'))).toMatchObject({ failure: 'url' });
    expect(sender.urlProblem('http://a.example/')).toMatchObject({ failure: 'url' });
    expect(dialled).toEqual([]);
    await sender.send(post('http://b.example/'));
    await sender.send(post('https://a.example/'));
    expect(dialled).toEqual(['1.1.1.1 80', '1.1.1.1 443']);
  });
});

describe('before a name is resolved', () => {
  test.each([
    ['https://a.example/hook?x=1', undefined],
    ['http://1.1.1.1/', undefined],
    ['http://10.0.0.1/', undefined],
    ['https://b.example:9000/', undefined],
    ['https://10.9.9.9/', 'destination'],
    ['https://192.168.0.1/', 'destination'],
    ['https://localhost/', 'destination'],
    ['https://[::1]/', 'destination'],
    ['https://denied.example/', 'destination'],
    ['https://a.example:22/', 'destination'],
    ['mailto:a@a.example', 'url'],
  ])('%s is refused as %s', (url, failure) => {
    const sender = testSender({
      resolve: neverAsked,
      allow: ['10.0.0.0/8', 'b.example:9000'],
      deny: ['10.9.9.9', 'denied.example'],
    });
    expect(sender.urlProblem(url)?.failure).toBe(failure);
  });
});
