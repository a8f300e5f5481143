import { unmapIpv4 } from '../core/primitives/address-key.ts';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { BoundedCache } from '../core/primitives/bounded-cache.ts';

/**
 * The client's address; behind trusted proxies the one that they forward (PROTOCOL.md section
 * 13.7).
 */
export function clientAddress(
  { trustedProxies }: { readonly trustedProxies: TrustedProxies },
  request: IncomingMessage,
): string {
  const peer = request.socket.remoteAddress ?? '';
  return trustedProxies.isConfigured ? trustedProxies.clientAddress(peer, request) : peer;
}

/** The address of a socket's peer. If Node remembers it, this is a look, and else a system call. */
export function peerAddress(socket: Duplex & { readonly remoteAddress?: string | undefined }): string {
  const remembering = socket as { readonly _peername?: { readonly address?: string } };
  return remembering._peername?.address ?? socket.remoteAddress ?? '';
}

/**
 * Clears the address that Node remembers for each connection, 150 bytes each. When a session opens,
 * the limit of connections and the session journal have seen it. Node asks the kernel when it is
 * needed again, which takes 8 µs.
 */
export function forgetPeerAddress(socket: Duplex): void {
  const remembering = socket as { _peername?: unknown };
  if (remembering._peername !== undefined) remembering._peername = undefined;
}

/** The proxies whose forwarded client address the hub trusts. */
export class TrustedProxies {
  readonly #trusted = new BlockList();
  readonly #header: ForwardedHeader;
  readonly #trustCache = new BoundedCache<boolean>(ADDRESS_CACHE_BYTES_MAX, () => 0);
  readonly isConfigured: boolean;

  /**
   * @param networks addresses and CIDR networks
   * @param header the header that the proxies set. The hub ignores the other one, which clients
   * could forge.
   */
  constructor(networks: readonly string[], header: ForwardedHeader) {
    this.#header = header;
    this.isConfigured = networks.length > 0;
    for (const network of networks) addNetwork(this.#trusted, network);
  }

  /** Whether the peer of a socket is a trusted proxy. */
  isTrusted(peer: string): boolean {
    return this.isConfigured && this.#isInNetworks(unmapIpv4(peer));
  }

  /**
   * Finds the client in the forwarded list. Each proxy appends the address of its peer. So the
   * client is the first address from the right that is not a trusted proxy.
   */
  clientAddress(peer: string, request: IncomingMessage): string {
    let address = unmapIpv4(peer);
    if (!this.#isInNetworks(address)) return address;
    const forwarded = request.headers[this.#header];
    if (forwarded === undefined) return address;
    const hops = String(forwarded).split(',');
    for (let index = hops.length - 1; index >= 0 && index >= hops.length - HOPS_MAX; index--) {
      const hop =
        this.#header === 'forwarded' ? forwardedFor(hops[index] as string) : withoutPort(hops[index] as string);
      // An entry that is no address did not come from a trusted proxy. The client is the peer of
      // the last trusted proxy.
      if (hop === undefined || isIP(hop) === 0) return address;
      address = unmapIpv4(hop);
      if (!this.#isInNetworks(address)) return address;
    }
    return address;
  }

  #isInNetworks(address: string): boolean {
    let verdict = this.#trustCache.get(address);
    if (verdict === undefined) {
      const family = isIP(address);
      verdict = family !== 0 && this.#trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
      this.#trustCache.set(address, verdict);
    }
    return verdict;
  }
}

export type ForwardedHeader = 'x-forwarded-for' | 'forwarded';

const HOPS_MAX = 32;
/** Room for some 10,000 addresses. An address may carry a zone of any length (`fe80::1%…`). */
const ADDRESS_CACHE_BYTES_MAX = 2 * 1024 * 1024;

function addNetwork(list: BlockList, text: string): void {
  const [address = '', bits] = text.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(bits), family);
}

/** Whether an address is public: neither of this machine nor of a private network. */
export function isPublic(text: string): boolean {
  let verdict = PUBLIC_CACHE.get(text);
  if (verdict === undefined) {
    const address = unmapIpv4(text).split('%')[0] as string;
    const family = isIP(address);
    verdict = family !== 0 && !nonPublicNetworks().check(address, family === 6 ? 'ipv6' : 'ipv4');
    PUBLIC_CACHE.set(text, verdict);
  }
  return verdict;
}

const PUBLIC_CACHE = new BoundedCache<boolean>(ADDRESS_CACHE_BYTES_MAX, () => 0);

/** Made at the first question: many hubs are asked none, and `isIP` takes 2 MB. */
function nonPublicNetworks(): BlockList {
  if (nonPublic === undefined) {
    nonPublic = new BlockList();
    for (const network of NON_PUBLIC_NETWORKS) addNetwork(nonPublic, network);
  }
  return nonPublic;
}

let nonPublic: BlockList | undefined;

const NON_PUBLIC_NETWORKS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1',
  'fc00::/7',
  'fe80::/10',
];

/**
 * The address without its port: `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]:4711`
 */
function withoutPort(text: string): string {
  const hop = text.trim();
  return /^\[([^\]]*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
}

/** The `for` of one element (RFC 7239 section 4). */
function forwardedFor(element: string): string | undefined {
  for (const pair of element.split(';')) {
    const [, value] = /^\s*for\s*=\s*("[^"]*"|[^\s"]+)\s*$/i.exec(pair) ?? [];
    if (value !== undefined) return withoutPort(value.replaceAll('"', ''));
  }
  return undefined;
}
