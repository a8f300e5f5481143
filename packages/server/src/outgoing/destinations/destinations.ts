import { isIP } from 'node:net';
import { AddressBlocks, specialKind } from './addresses.ts';

/** Which addresses may be reached. */
export interface DestinationSettings {
  /** Names (`hooks.example`, `*.corp.example`), addresses or CIDR blocks, each with `:PORT` or without. */
  readonly allow: readonly string[];
  /** As `allow`, and before it. */
  readonly deny: readonly string[];
  readonly ports: readonly number[];
  /** Whether this machine itself may be reached, on any port: for development. */
  readonly loopback: boolean;
}

/** Says where requests may go (`outgoing` in the configuration). */
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

  /** Whether a connection for this host may go to this address, on this port. `host` may be that address itself. */
  permits(host: string, address: string, port: number): boolean {
    const name = normalizedName(host);
    const isMatch = (entry: Entry): boolean => entry.hasName(name) || entry.hasAddress(address);
    if (this.#deny.some((entry) => isMatch(entry) && (entry.port ?? port) === port)) return false;
    if (this.#allow.some((entry) => isMatch(entry) && this.#opens(entry, port))) return true;
    const kind = specialKind(address);
    if (kind === 'loopback' && this.#loopback) return true;
    return kind === undefined && this.#ports.has(port);
  }

  /** Whether there may be an address of this name, or this address, that could be reached: what can be told without asking anybody. */
  mayPermit(host: string, port: number): boolean {
    const name = normalizedName(host);
    if (isLocalName(name)) return this.permits(name, '127.0.0.1', port) || this.permits(name, '::1', port);
    if (isIP(name) !== 0) return this.permits(name, name, port);
    if (this.#deny.some((entry) => entry.hasName(name) && (entry.port ?? port) === port)) return false;
    return this.#loopback || this.#ports.has(port) || this.#allow.some((entry) => entry.port === port);
  }

  /** Whether what is said there is for those alone who run the hub: it is no public address, nor this machine in development. */
  isInside(address: string): boolean {
    const kind = specialKind(address);
    return kind !== undefined && !(kind === 'loopback' && this.#loopback);
  }

  /** Whether the host itself was opened by name or address: its traffic may be read by whoever is on the way. */
  trusts(host: string, port: number): boolean {
    const name = normalizedName(host);
    if (this.#allow.some((entry) => (entry.hasName(name) || entry.hasAddress(name)) && this.#opens(entry, port)))
      return true;
    return this.#loopback && (isLocalName(name) || specialKind(name) === 'loopback');
  }

  #opens({ port: own }: Entry, port: number): boolean {
    return own === undefined ? this.#ports.has(port) : own === port;
  }
}

/** Names of this machine itself, which no name server is asked for (RFC 6761, section 6.3). */
export function isLocalName(host: string): boolean {
  const name = normalizedName(host);
  return name === 'localhost' || name.endsWith('.localhost');
}

interface Entry {
  readonly port: number | undefined;
  hasName(name: string): boolean;
  hasAddress(address: string): boolean;
}

function parseEntry(text: string): Entry {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|(.+?))(?::(\d+))?$/.exec(text) ?? [];
  const isSix = bracketed === undefined && text.split(':').length > 2;
  const target = isSix ? text : (bracketed ?? plain ?? text);
  const port = isSix || portText === undefined ? undefined : Number(portText);
  const [address = ''] = target.split('/');
  if (isIP(address) === 0) return { port, hasName: nameMatcher(normalizedName(target)), hasAddress: () => false };
  const blocks = new AddressBlocks([target]);
  return { port, hasName: () => false, hasAddress: (other) => isIP(other) !== 0 && blocks.has(other) };
}

function nameMatcher(pattern: string): (name: string) => boolean {
  if (!pattern.startsWith('*.')) return (name) => name === pattern;
  return (name) => name.length > pattern.length - 1 && name.endsWith(pattern.slice(1));
}

/** Without case, brackets, and the dot at the end that names the same host. */
function normalizedName(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
