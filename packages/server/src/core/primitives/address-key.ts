/**
 * The key under which an address is counted: an IPv4 address, or the /64 network of an IPv6
 * address. One household has all addresses of a /64.
 */
export function addressKey(text: string): string {
  const address = unmapIpv4(text);
  if (!address.includes(':')) return address;
  const [head = '', tail = ''] = (address.split('%')[0] as string).split('::');
  const groups = head === '' ? [] : head.split(':');
  if (address.includes('::')) {
    const after = tail === '' ? [] : tail.split(':');
    while (groups.length + after.length < 8) groups.push('0');
    groups.push(...after);
  }
  return groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':');
}

/** Converts an IPv4 address in IPv6 form to plain IPv4. */
export function unmapIpv4(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}
