import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressBlocks, SPECIAL_BLOCKS, specialKind } from './addresses.ts';
import { addressText, rangeOf } from '../testing/address-range.ts';
import { SPECIAL_ADDRESSES } from '../testing/special-addresses.ts';

test.each(SPECIAL_ADDRESSES)('%s is %s: %s, %s and %s are', (_block, kind, ...addresses) => {
  for (const address of addresses) expect([address, specialKind(address)]).toEqual([address, kind]);
});

test.each(SPECIAL_BLOCKS)('%s is in the list of blocks', (block) => {
  expect(SPECIAL_ADDRESSES.map(([written]) => written)).toContain(block);
});

test.each(SPECIAL_BLOCKS)('all of %s is %s: its first address, its last, and those between', (block, kind) => {
  const { first, last } = rangeOf(block);
  expect(specialKind(addressText(first, block))).toBeDefined();
  expect(specialKind(addressText(last, block))).toBe(kind);
  fc.assert(fc.property(fc.bigInt(first, last), (address) => specialKind(addressText(address, block)) !== undefined));
});

test.each(SPECIAL_BLOCKS.filter(([block]) => !['::1/128', '::/96', '2001::/32'].includes(block)))(
  'the address after %s is in another block, or public',
  (block) => {
    const own = new AddressBlocks([block]);
    expect(own.has(addressText(rangeOf(block).last + 1n, block))).toBe(false);
  },
);

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '172.15.255.255',
  '172.32.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '223.255.255.255',
  '1.0.0.0',
  '9.255.255.255',
  '11.0.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '191.255.255.255',
  '192.0.1.0',
  '192.0.1.255',
  '192.0.3.0',
  '192.88.98.255',
  '192.88.100.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '198.51.99.255',
  '198.51.101.0',
  '203.0.112.255',
  '203.0.114.0',
  '2606:4700::1111',
  '2a00::1',
  '64:ff9b:2::',
  '100:0:0:1::',
  '2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  '2001:1::',
  '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff',
  '2001:db9::',
  '2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  '2003::',
  '3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  '3fff:1000::',
])('%s is public', (address) => {
  expect(specialKind(address)).toBeUndefined();
});

test.each([
  '',
  'localhost',
  '1.2.3',
  '127.0.0.1.',
  'fe80::1%eth0',
  '::ffff:8.8.8.8',
  '64:ff9b::808:808',
  '::8.8.8.8',
  '2002:808:808::1',
])('"%s" is not public', (address) => {
  expect(specialKind(address)).toBeDefined();
});

test('an address of one family never matches a block of the other', () => {
  expect(new AddressBlocks(['::ffff:0:0/96']).has('8.8.8.8')).toBe(false);
  expect(new AddressBlocks(['10.0.0.0/8']).has('::ffff:10.0.0.1')).toBe(false);
});
