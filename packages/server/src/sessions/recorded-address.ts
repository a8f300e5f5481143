import { unmapIpv4 } from '../core/primitives/address-key.ts';

/** How the journal stores addresses. */
export const JOURNAL_ADDRESSES = ['full', 'truncated', 'none'] as const;
export type JournalAddresses = (typeof JOURNAL_ADDRESSES)[number];

/**
 * An address as the journal stores it. `truncated` leaves the network: `203.0.113.7` becomes
 * `203.0.113.0`, and `2001:db8:1:2::7` becomes `2001:db8:1::`.
 */
export function recordedAddress(address: string, form: JournalAddresses): string {
  if (form === 'none') return '';
  if (form === 'full') return address;
  const text = unmapIpv4(address);
  if (!text.includes(':')) return text.replace(/\.\d+$/, '.0');
  const [head = ''] = text.split('::');
  const groups = head.split(':').slice(0, 3);
  while (groups.length < 3) groups.push('0');
  return `${groups.map((group) => (group === '' ? '0' : group)).join(':')}::`;
}
