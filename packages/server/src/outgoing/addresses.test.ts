import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressBlocks, SPECIAL_BLOCKS, specialKind } from './addresses.ts';

test.each(SPECIAL_BLOCKS)('all of %s is %s: its first, its last, and what lies between', (block, kind) => {
  const { first, last } = rangeOf(block);
  expect(specialKind(textOf(first, block))).toBeDefined();
  expect(specialKind(textOf(last, block))).toBe(kind);
  fc.assert(fc.property(fc.bigInt(first, last), (address) => specialKind(textOf(address, block)) !== undefined));
});

test.each(SPECIAL_BLOCKS.filter(([block]) => !['::1/128', '::/96', '2001::/32'].includes(block)))(
  'what follows %s is of another block, or public',
  (block) => {
    const own = new AddressBlocks([block]);
    expect(own.has(textOf(rangeOf(block).last + 1n, block))).toBe(false);
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

function rangeOf(block: string): { first: bigint; last: bigint } {
  const [address = '', prefix = ''] = block.split('/');
  const size = 1n << BigInt((address.includes(':') ? 128 : 32) - Number(prefix));
  const first = numberOf(address);
  return { first, last: first + size - 1n };
}

function numberOf(address: string): bigint {
  if (!address.includes(':')) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = '', tail = ''] = address.split('::');
  const words = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const zeros = 8 - words(head).length - words(tail).length;
  return [...words(head), ...Array.from({ length: zeros }, () => '0'), ...words(tail)].reduce(
    (sum, word) => sum * 65_536n + BigInt(`0x${word}`),
    0n,
  );
}

function textOf(address: bigint, block: string): string {
  const isSix = block.includes(':');
  const step = isSix ? 65_536n : 256n;
  const parts = Array.from(
    { length: isSix ? 8 : 4 },
    (_, index) => (address / step ** BigInt((isSix ? 7 : 3) - index)) % step,
  );
  return isSix ? parts.map((part) => part.toString(16)).join(':') : parts.join('.');
}
