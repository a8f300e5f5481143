/** The first and the last address of a CIDR block, as numbers. */
export function rangeOf(block: string): { readonly first: bigint; readonly last: bigint } {
  const [address = '', prefix = ''] = block.split('/');
  const size = 1n << BigInt((address.includes(':') ? 128 : 32) - Number(prefix));
  const first = numberOf(address);
  return { first, last: first + size - 1n };
}

/** Formats an address in the family of this block. */
export function addressText(address: bigint, block: string): string {
  const isSix = block.includes(':');
  const step = isSix ? 65_536n : 256n;
  const parts = Array.from(
    { length: isSix ? 8 : 4 },
    (_, index) => (address / step ** BigInt((isSix ? 7 : 3) - index)) % step,
  );
  return isSix ? parts.map((part) => part.toString(16)).join(':') : parts.join('.');
}

/** The bytes of an address in network order. */
export function addressBytes(address: string): Buffer {
  const digits = address.includes(':') ? 32 : 8;
  return Buffer.from(numberOf(address).toString(16).padStart(digits, '0'), 'hex');
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
