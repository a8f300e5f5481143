import type { AddressKind } from '../destinations/addresses.ts';

/**
 * The first, a middle and the last address of every block outside of the public Internet. The list
 * is independent of the hub's own one, so a block that is missing there fails a test.
 */
export const SPECIAL_ADDRESSES: readonly (readonly [
  block: string,
  kind: AddressKind,
  ...addresses: [first: string, middle: string, last: string],
])[] = [
  ['0.0.0.0/8', 'reserved', '0.0.0.0', '0.128.0.0', '0.255.255.255'],
  ['10.0.0.0/8', 'private', '10.0.0.0', '10.128.0.0', '10.255.255.255'],
  ['100.64.0.0/10', 'private', '100.64.0.0', '100.96.0.0', '100.127.255.255'],
  ['127.0.0.0/8', 'loopback', '127.0.0.0', '127.128.0.0', '127.255.255.255'],
  ['168.63.129.16/32', 'reserved', '168.63.129.16', '168.63.129.16', '168.63.129.16'],
  ['169.254.0.0/16', 'link-local', '169.254.0.0', '169.254.169.254', '169.254.255.255'],
  ['172.16.0.0/12', 'private', '172.16.0.0', '172.24.0.0', '172.31.255.255'],
  ['192.0.0.0/24', 'reserved', '192.0.0.0', '192.0.0.128', '192.0.0.255'],
  ['192.0.2.0/24', 'documentation', '192.0.2.0', '192.0.2.128', '192.0.2.255'],
  ['192.88.99.0/24', 'reserved', '192.88.99.0', '192.88.99.128', '192.88.99.255'],
  ['192.168.0.0/16', 'private', '192.168.0.0', '192.168.128.0', '192.168.255.255'],
  ['198.18.0.0/15', 'private', '198.18.0.0', '198.19.0.0', '198.19.255.255'],
  ['198.51.100.0/24', 'documentation', '198.51.100.0', '198.51.100.128', '198.51.100.255'],
  ['203.0.113.0/24', 'documentation', '203.0.113.0', '203.0.113.128', '203.0.113.255'],
  ['224.0.0.0/4', 'multicast', '224.0.0.0', '232.0.0.0', '239.255.255.255'],
  ['240.0.0.0/4', 'reserved', '240.0.0.0', '248.0.0.0', '255.255.255.255'],
  ['::/128', 'embedded', '::', '0:0:0:0:0:0:0:0', '0::0'],
  ['::1/128', 'loopback', '::1', '0:0:0:0:0:0:0:1', '0::0.0.0.1'],
  ['::/96', 'embedded', '::2', '::8000:0', '::ffff:ffff'],
  ['::ffff:0:0/96', 'embedded', '::ffff:0:0', '::ffff:8000:0', '::ffff:ffff:ffff'],
  ['::ffff:0:0:0/96', 'embedded', '::ffff:0:0:0', '::ffff:0:8000:0', '::ffff:0:ffff:ffff'],
  ['64:ff9b::/96', 'embedded', '64:ff9b::', '64:ff9b::8000:0', '64:ff9b::ffff:ffff'],
  ['64:ff9b:1::/48', 'embedded', '64:ff9b:1::', '64:ff9b:1:8000::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff'],
  ['100::/64', 'reserved', '100::', '100::8000:0:0:0', '100::ffff:ffff:ffff:ffff'],
  ['2001::/32', 'embedded', '2001::', '2001:0:8000::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001:db8::/32', 'documentation', '2001:db8::', '2001:db8:8000::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2002::/16', 'embedded', '2002::', '2002:8000::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['3fff::/20', 'documentation', '3fff::', '3fff:800::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['5f00::/16', 'reserved', '5f00::', '5f00:8000::', '5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fc00::/7', 'private', 'fc00::', 'fd00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fe80::/10', 'link-local', 'fe80::', 'fea0::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fec0::/10', 'private', 'fec0::', 'fee0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['ff00::/8', 'multicast', 'ff00::', 'ff80::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
];
