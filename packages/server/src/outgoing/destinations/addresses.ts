import { BlockList, isIP, isIPv4 } from 'node:net';

/** The reason why an address is not public. */
export type AddressKind =
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'documentation'
  | 'multicast'
  | 'reserved'
  /** An IPv6 address that contains an IPv4 address. */
  | 'embedded';

/**
 * The address blocks outside of the public Internet (RFC 6890 and the registries of special
 * addresses). Blocks that embed IPv4 addresses are closed as a whole: they give other names to any
 * IPv4 address.
 */
export const SPECIAL_BLOCKS: readonly (readonly [block: string, kind: AddressKind])[] = [
  ['0.0.0.0/8', 'reserved'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'private'],
  ['127.0.0.0/8', 'loopback'],
  // Azure's host agent: a public address by its number, but each machine there reaches its own
  // agent by it.
  ['168.63.129.16/32', 'reserved'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', 'reserved'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'private'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::1/128', 'loopback'],
  ['::/96', 'embedded'],
  ['::ffff:0:0/96', 'embedded'],
  ['::ffff:0:0:0/96', 'embedded'],
  ['64:ff9b::/96', 'embedded'],
  ['64:ff9b:1::/48', 'embedded'],
  ['100::/64', 'reserved'],
  ['2001::/32', 'embedded'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', 'embedded'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'reserved'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'private'],
  ['ff00::/8', 'multicast'],
];

/**
 * Returns the kind of a special address, or `undefined` for a public one. Text that is not an
 * address is `reserved`.
 */
export function specialKind(address: string): AddressKind | undefined {
  const known = kinds.get(address);
  if (known !== undefined) return known.kind;
  const kind = isIP(address) === 0 ? 'reserved' : specialBlocks().find(({ blocks }) => blocks.has(address))?.kind;
  if (kinds.size >= KINDS_MAX) kinds.clear();
  kinds.set(address, { kind });
  return kind;
}

/**
 * A cache of results. Each connection asks several times, and searching all blocks is a part of its
 * cost.
 */
const kinds = new Map<string, { readonly kind: AddressKind | undefined }>();
const KINDS_MAX = 10_000;

/**
 * A set of CIDR blocks and single addresses. An IPv4 block never matches an IPv6 address, nor the
 * reverse.
 */
export class AddressBlocks {
  readonly #four = new BlockList();
  readonly #six = new BlockList();

  constructor(blocks: readonly string[]) {
    for (const block of blocks) {
      const [address = '', prefix] = block.split('/');
      if (isIPv4(address)) this.#four.addSubnet(address, prefix === undefined ? 32 : Number(prefix), 'ipv4');
      else this.#six.addSubnet(address, prefix === undefined ? 128 : Number(prefix), 'ipv6');
    }
  }

  has(address: string): boolean {
    const zone = address.indexOf('%');
    const plain = zone < 0 ? address : address.slice(0, zone);
    return isIPv4(plain) ? this.#four.check(plain, 'ipv4') : this.#six.check(plain, 'ipv6');
  }
}

interface SpecialBlock {
  readonly blocks: AddressBlocks;
  readonly kind: AddressKind;
}

let table: readonly SpecialBlock[] | undefined;

/** Made for the first address, because a hub without outgoing requests needs none. */
function specialBlocks(): readonly SpecialBlock[] {
  table ??= SPECIAL_BLOCKS.map(([block, kind]) => ({ blocks: new AddressBlocks([block]), kind }));
  return table;
}
