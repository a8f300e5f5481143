import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressBlocks, SPECIAL_BLOCKS, specialKind } from './addresses.ts';
import { addressText, rangeOf } from './testing/address-range.ts';

test.each(SPECIAL_BLOCKS)('all of %s is %s: its first, its last, and what lies between', (block, kind) => {
  const { first, last } = rangeOf(block);
  expect(specialKind(addressText(first, block))).toBeDefined();
  expect(specialKind(addressText(last, block))).toBe(kind);
  fc.assert(fc.property(fc.bigInt(first, last), (address) => specialKind(addressText(address, block)) !== undefined));
});

test.each(SPECIAL_BLOCKS.filter(([block]) => !['::1/128', '::/96', '2001::/32'].includes(block)))(
  'what follows %s is of another block, or public',
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
  '2606:4700::1111',
  '2a00::1',
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

test('an address of one family is never taken for one of the other', () => {
  expect(new AddressBlocks(['::ffff:0:0/96']).has('8.8.8.8')).toBe(false);
  expect(new AddressBlocks(['10.0.0.0/8']).has('::ffff:10.0.0.1')).toBe(false);
});
