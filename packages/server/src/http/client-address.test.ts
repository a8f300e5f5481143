import fc from 'fast-check';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { addressKey } from '../core/primitives/address-key.ts';
import { forgetPeerAddress, peerAddress, TrustedProxies, type ForwardedHeader } from './client-address.ts';

const TRUSTED = ['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::1'];

function addressSeen(peer: string, value: string | undefined, header: ForwardedHeader = 'x-forwarded-for'): string {
  const request = { headers: value === undefined ? {} : { [header]: value } } as unknown as IncomingMessage;
  return new TrustedProxies(TRUSTED, header).clientAddress(peer, request);
}

describe('X-Forwarded-For', () => {
  test.each([
    ['no header', '10.0.0.1', undefined, '10.0.0.1'],
    ['the peer is not a trusted proxy', '198.51.100.1', '203.0.113.1', '198.51.100.1'],
    ['one proxy', '10.0.0.1', '203.0.113.1', '203.0.113.1'],
    ['two proxies', '10.0.0.1', '203.0.113.1, 192.0.2.1', '203.0.113.1'],
    ['made up before the first proxy', '10.0.0.1', '127.0.0.1,10.9.9.9, 203.0.113.1', '203.0.113.1'],
    ['no address at all', '10.0.0.1', '203.0.113.9, unknown', '10.0.0.1'],
    ['rubbish behind a proxy', '10.0.0.1', 'x, 10.0.0.2', '10.0.0.2'],
    ['only our own', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['with ports', '10.0.0.1', '203.0.113.1:4711', '203.0.113.1'],
    ['IPv6', '::1', '2001:db8::7', '2001:db8::7'],
    ['IPv6 with a port', 'fd00::1', '[2001:db8::7]:443', '2001:db8::7'],
    ['IPv4 in the form of IPv6', '::ffff:10.0.0.1', '203.0.113.1', '203.0.113.1'],
    ['an untrusted one in the form of IPv6', '::ffff:198.51.100.1', '203.0.113.1', '198.51.100.1'],
    ['an empty header', '10.0.0.1', '', '10.0.0.1'],
  ])('%s', (_name, peer, value, address) => expect(addressSeen(peer, value)).toBe(address));

  test('only entries of trusted proxies count, whatever a client sends', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (made) => {
        expect(addressSeen('10.0.0.1', `${made}, 203.0.113.1`)).toBe('203.0.113.1');
        expect(addressSeen('10.0.0.1', `${made}, for=203.0.113.1`, 'forwarded')).toBe('203.0.113.1');
      }),
    );
  });

  test('the other header is ignored', () => {
    const request = { headers: { forwarded: 'for=203.0.113.1' } } as unknown as IncomingMessage;
    expect(new TrustedProxies(TRUSTED, 'x-forwarded-for').clientAddress('10.0.0.1', request)).toBe('10.0.0.1');
  });
});

describe('Forwarded', () => {
  test.each([
    ['for=203.0.113.1', '203.0.113.1'],
    ['For="203.0.113.1:4711";proto=https', '203.0.113.1'],
    ['proto=http;for="[2001:db8::7]:4711";by=10.0.0.1', '2001:db8::7'],
    ['for=127.0.0.1, for=203.0.113.1;proto=https, for=192.0.2.1', '203.0.113.1'],
    ['for=203.0.113.9, for=_hidden', '10.0.0.1'],
    ['for=203.0.113.9, proto=http', '10.0.0.1'],
  ])('%s', (value, address) => expect(addressSeen('10.0.0.1', value, 'forwarded')).toBe(address));
});

test.each([
  ['203.0.113.1', '203.0.113.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:0DB8:0:0:1::', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['::ffff:203.0.113.1', '203.0.113.1'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
])('%s is counted as %s', (address, counted) => expect(addressKey(address)).toBe(counted));

test("a peer's address is known before and after Node's copy of it is cleared", async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  expect(peerAddress(socket)).toBe('127.0.0.1');
  // Node still remembers it under this name: otherwise each look would be a system call.
  expect((socket as { readonly _peername?: unknown })._peername).toMatchObject({ address: '127.0.0.1' });
  forgetPeerAddress(socket);
  expect(peerAddress(socket)).toBe('127.0.0.1');
  socket.destroy();
  forgetPeerAddress(socket);
  expect(peerAddress(socket)).toBe('');
  client.destroy();
  server.close();
});
