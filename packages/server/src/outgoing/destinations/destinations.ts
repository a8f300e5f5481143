import { isIP } from 'node:net';
import { AddressBlocks, specialKind } from './addresses.ts';

/** The destinations that the configuration permits. */
export interface DestinationSettings {
  /**
   * Names (`hooks.example`, `*.corp.example`), addresses or CIDR blocks, each with or without
   * `:PORT`, or `:*` for any port.
   */
  readonly allow: readonly string[];
  /** Entries as in `allow`. They take precedence. */
  readonly deny: readonly string[];
  readonly ports: readonly number[];
  /** Whether this machine itself may be reached, on any port. For development. */
  readonly loopback: boolean;
}

/**
 * Decides which destinations outgoing requests may have (`outgoing` in the configuration).
 *
 * Example: `10.0.0.7` is private, so it is refused. With the entry `10.0.0.0/8:8443` in `allow` it
 * may be reached on port 8443.
 */
export class Destinations {
  readonly #allow: readonly Entry[];
  readonly #deny: readonly Entry[];
  readonly #ports: ReadonlySet<number>;
  readonly #loopback: boolean;

  constructor({ allow, deny, ports, loopback }: DestinationSettings) {
    this.#allow = allow.map(parseEntry);
    this.#deny = deny.map(parseEntry);
    this.#ports = new Set(ports);
    this.#loopback = loopback;
  }

  /**
   * Whether a connection for this host may go to this address and port. `host` may be the address
   * itself.
   */
  permits(host: string, address: string, port: number): boolean {
    const name = normalizedName(host);
    const isMatch = (entry: Entry): boolean => entry.hasName(name) || entry.hasAddress(address);
    if (this.#deny.some((entry) => isMatch(entry) && closes(entry, port))) return false;
    if (this.#allow.some((entry) => isMatch(entry) && this.#opens(entry, port))) return true;
    const kind = specialKind(address);
    if (kind === 'loopback' && this.#loopback) return true;
    return kind === undefined && this.#ports.has(port);
  }

  /**
   * Whether a name could have a permitted address, or whether an address is permitted. It makes no
   * look-up.
   */
  mayPermit(host: string, port: number): boolean {
    const name = normalizedName(host);
    if (isLocalName(name)) return this.permits(name, '127.0.0.1', port) || this.permits(name, '::1', port);
    if (isIP(name) !== 0) return this.permits(name, name, port);
    if (this.#deny.some((entry) => entry.hasName(name) && closes(entry, port))) return false;
    return this.#loopback || this.#ports.has(port) || this.#allow.some((entry) => this.#opens(entry, port));
  }

  /**
   * Whether an address is internal, so that only operators may see its answers. An address is
   * internal if it is not public, except this machine in development.
   */
  isInside(address: string): boolean {
    const kind = specialKind(address);
    return kind !== undefined && !(kind === 'loopback' && this.#loopback);
  }

  /**
   * Whether the configuration allows the host by name or address. Requests to such a host may use
   * plain http, which others on the network can read.
   */
  trusts(host: string, port: number): boolean {
    const name = normalizedName(host);
    if (this.#allow.some((entry) => (entry.hasName(name) || entry.hasAddress(name)) && this.#opens(entry, port)))
      return true;
    return this.#loopback && (isLocalName(name) || specialKind(name) === 'loopback');
  }

  #opens({ port: own }: Entry, port: number): boolean {
    return own === undefined ? this.#ports.has(port) : own === ANY_PORT || own === port;
  }
}

/**
 * Whether a name is one of this machine. Name servers are not asked for it (RFC 6761, section 6.3).
 */
export function isLocalName(host: string): boolean {
  const name = normalizedName(host);
  return name === 'localhost' || name.endsWith('.localhost');
}

const ANY_PORT = '*';

interface Entry {
  /** `undefined`: none is named. */
  readonly port: number | typeof ANY_PORT | undefined;
  hasName(name: string): boolean;
  hasAddress(address: string): boolean;
}

/** Whether an entry of `deny` closes a port: every port, unless it names one. */
function closes({ port: own }: Entry, port: number): boolean {
  return typeof own !== 'number' || own === port;
}

function parseEntry(text: string): Entry {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|(.+?))(?::(\d+|\*))?$/.exec(text) ?? [];
  const isSix = bracketed === undefined && text.split(':').length > 2;
  const target = isSix ? text : (bracketed ?? plain ?? text);
  const port = isSix ? undefined : portOf(portText);
  const [address = ''] = target.split('/');
  if (isIP(address) === 0) return { port, hasName: nameMatcher(normalizedName(target)), hasAddress: () => false };
  const blocks = new AddressBlocks([target]);
  return { port, hasName: () => false, hasAddress: (other) => isIP(other) !== 0 && blocks.has(other) };
}

function portOf(text: string | undefined): Entry['port'] {
  return text === undefined || text === ANY_PORT ? text : Number(text);
}

function nameMatcher(pattern: string): (name: string) => boolean {
  if (!pattern.startsWith('*.')) return (name) => name === pattern;
  return (name) => name.length > pattern.length - 1 && name.endsWith(pattern.slice(1));
}

/**
 * Returns a host in lower case, without brackets and without a trailing dot, which names the same
 * host.
 */
function normalizedName(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
