import type { Principal } from '../core/access/principal.ts';
import { addressKey } from '../core/primitives/address-key.ts';
import type { IncomingMessage } from 'node:http';
import { tooManyConnections } from '../http/refusals.ts';
import { clientAddress, isPublic, type TrustedProxies } from '../http/client-address.ts';
import type { Session, SessionListener, Sessions } from './sessions.ts';

export interface ConnectionQuotaLimits {
  /** Streams and waiting polls at once; `null` for no limit. */
  readonly connectionsPerUserMax: number | null;
  readonly connectionsPerAddressMax: number | null;
  /** The limit for public addresses, if `connectionsPerAddressMax` is `null`. */
  readonly connectionsPerPublicAddressMax: number | null;
}

/** The name that sessions are counted by: `user ann`, `address 192.0.2.1`. */
export type QuotaName = `user ${string}` | `address ${string}`;

/**
 * Sessions at other processes of the hub, or at other hubs of the cluster, by name. 0: the name is
 * below its limit.
 */
export type QuotaCounts = Readonly<Record<QuotaName, number>>;

/**
 * Limits the connections of one user and of one address (PROTOCOL.md section 13.7). Connections of
 * servers do not count.
 */
export class ConnectionQuota implements SessionListener {
  readonly #sessions: Sessions;
  #limits: ConnectionQuotaLimits;
  #isListening = false;
  readonly #byAddress = new Map<string, number>();
  /**
   * Of names that are at their limit, or near it. Empty in a hub of one process without a cluster.
   */
  readonly #elsewhere = new Map<QuotaName, number>();
  readonly #limitListeners: (() => void)[] = [];
  #onElsewhere: (names: Iterable<QuotaName>) => void = () => undefined;

  constructor(sessions: Sessions, limits: ConnectionQuotaLimits) {
    this.#sessions = sessions;
    this.#limits = limits;
    this.#listenIfNeeded();
  }

  /** The next session obeys these limits. Sessions beyond a lower limit stay. */
  setLimits(limits: ConnectionQuotaLimits): void {
    this.#limits = limits;
    this.#listenIfNeeded();
    for (const listener of this.#limitListeners) listener();
  }

  /** Calls this with each change of the limits. */
  onLimits(listener: () => void): void {
    this.#limitListeners.push(listener);
  }

  /** Calls this with names whose sessions at other hubs have changed. */
  onElsewhere(listener: (names: Iterable<QuotaName>) => void): void {
    this.#onElsewhere = listener;
  }

  /** Sets the sessions of all names elsewhere. */
  replaceElsewhere(counts: QuotaCounts): void {
    const before = new Map(this.#elsewhere);
    this.#elsewhere.clear();
    this.setElsewhere(counts);
    const names = new Set<QuotaName>([...before.keys(), ...this.#elsewhere.keys()]);
    const changed = [...names].filter((name) => before.get(name) !== this.#elsewhere.get(name));
    if (changed.length > 0) this.#onElsewhere(changed);
  }

  /** Sets the sessions of these names elsewhere. */
  setElsewhere(counts: QuotaCounts): void {
    for (const [name, count] of Object.entries(counts) as [QuotaName, number][])
      if (count > 0) this.#elsewhere.set(name, count);
      else this.#elsewhere.delete(name);
  }

  /** Nothing is known about sessions elsewhere. */
  forgetElsewhere(): void {
    this.#elsewhere.clear();
  }

  /** The names with a limit that a session of this principal counts for. */
  limitedNames(principal: Principal, address: string): readonly QuotaName[] {
    if (!isCounted(principal)) return [];
    const names: QuotaName[] = [];
    if (this.#limits.connectionsPerUserMax !== null && principal.user !== undefined)
      names.push(userName(principal.user));
    if (this.countsAddresses && this.#limitFor(address) !== null) names.push(addressName(address));
    return names;
  }

  /** Whether a user or an address has a limit. */
  get isLimited(): boolean {
    return this.#limits.connectionsPerUserMax !== null || this.countsAddresses;
  }

  /** Whether a name has its share here: one of so many equal parts of its limit. */
  hasShare(name: QuotaName, parts: number): boolean {
    const max = name.startsWith('user ') ? this.#limits.connectionsPerUserMax : this.#addressMax;
    return max !== null && this.countOf(name).count >= Math.ceil(max / parts);
  }

  /** All names that have their share here. */
  *namesWithShare(parts: number): Generator<QuotaName, void> {
    const { connectionsPerUserMax: userMax } = this.#limits;
    if (userMax !== null) for (const user of this.#sessions.usersFrom(Math.ceil(userMax / parts))) yield userName(user);
    const addressMin = Math.ceil((this.#addressMax ?? Infinity) / parts);
    for (const [address, count] of this.#byAddress) if (count >= addressMin) yield `address ${address}`;
  }

  /**
   * The sessions of a name in the registry of this process, and elsewhere.
   * `isFull`: together they reach the limit.
   */
  countOf(name: QuotaName): { readonly count: number; readonly elsewhere: number; readonly isFull: boolean } {
    const separator = name.indexOf(' ') + 1;
    const value = name.slice(separator);
    const isUser = name.startsWith('user ');
    const count = isUser ? this.#sessions.countOfUser(value) : (this.#byAddress.get(value) ?? 0);
    const max = isUser ? this.#limits.connectionsPerUserMax : this.#addressMax;
    const elsewhere = this.#elsewhere.get(name) ?? 0;
    return { count, elsewhere, isFull: max !== null && count + elsewhere >= max };
  }

  /** Whether sessions have to store their client's address. */
  get countsAddresses(): boolean {
    return this.#addressMax !== null;
  }

  /**
   * Whether a session may begin. Call it in the turn in which it does.
   * @throws PolycastError `too_many_connections`, `draining`
   */
  admit(principal: Principal, address: string | undefined): void {
    this.#sessions.checkOpen();
    this.checkLimits(principal, address);
  }

  /** @throws PolycastError `too_many_connections` */
  checkLimits(principal: Principal, address: string | undefined): void {
    if (!isCounted(principal)) return;
    const { user } = principal;
    const { connectionsPerUserMax: perUserMax } = this.#limits;
    if (
      perUserMax !== null &&
      user !== undefined &&
      this.#sessions.countOfUser(user) + this.#countElsewhere(userName, user) >= perUserMax
    )
      throw tooManyConnections('user', perUserMax);
    if (address === undefined) return;
    const perAddressMax = this.#limitFor(address);
    if (perAddressMax === null) return;
    const count = this.#byAddress.get(addressKey(address)) ?? 0;
    if (count + this.#countElsewhere(addressName, address) >= perAddressMax)
      throw tooManyConnections('address', perAddressMax);
  }

  #countElsewhere(nameOf: (value: string) => QuotaName, value: string): number {
    return this.#elsewhere.size === 0 ? 0 : (this.#elsewhere.get(nameOf(value)) ?? 0);
  }

  /** Counts the live sessions of each address from now on, if a limit needs them. */
  #listenIfNeeded(): void {
    if (this.#isListening || !this.countsAddresses) return;
    this.#isListening = true;
    for (const session of this.#sessions.each()) if (!session.isMomentary) this.opened(session);
    this.#sessions.listen(this);
  }

  get #addressMax(): number | null {
    return this.#limits.connectionsPerAddressMax ?? this.#limits.connectionsPerPublicAddressMax;
  }

  #limitFor(address: string): number | null {
    const { connectionsPerAddressMax: perAddressMax, connectionsPerPublicAddressMax: perPublicAddressMax } =
      this.#limits;
    return perAddressMax ?? (perPublicAddressMax !== null && isPublic(address) ? perPublicAddressMax : null);
  }

  opened(session: Session): void {
    if (isCounted(session.principal)) this.#count(session.address, 1);
  }

  closed(session: Session): void {
    if (isCounted(session.principal)) this.#count(session.address, -1);
  }

  changed(session: Session, before: { readonly principal: Principal }): void {
    const change = Number(isCounted(session.principal)) - Number(isCounted(before.principal));
    if (change !== 0) this.#count(session.address, change);
  }

  #count(address: string, change: number): void {
    const name = addressKey(address);
    const count = (this.#byAddress.get(name) ?? 0) + change;
    if (count > 0) this.#byAddress.set(name, count);
    else this.#byAddress.delete(name);
  }
}

interface AddressParts {
  readonly trustedProxies: TrustedProxies;
  readonly connectionQuota: ConnectionQuota;
}

/**
 * The client's address, or `undefined` if the session can read it from its socket. It is needed if
 * the peer may be a proxy, or the hub limits connections per address. It is also needed for HTTP/2,
 * because the socket may be closed when the session asks for its address.
 */
export function sessionAddress(parts: AddressParts, request: IncomingMessage): string | undefined {
  const { trustedProxies, connectionQuota } = parts;
  const isNeeded = trustedProxies.isConfigured || connectionQuota.countsAddresses || request.httpVersionMajor > 1;
  return isNeeded ? clientAddress(parts, request) : undefined;
}

function userName(user: string): QuotaName {
  return `user ${user}`;
}

function addressName(address: string): QuotaName {
  return `address ${addressKey(address)}`;
}

function isCounted({ kind }: Principal): boolean {
  return kind !== 'server';
}
