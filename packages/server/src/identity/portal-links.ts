import { hash, randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { AwaitedWrites, SharedIdentity } from '../core/access/identity-store.ts';
import type { PortalOwner, StoredPortalLink } from '../core/access/portal-link.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import type { Clock } from '../core/ports.ts';
import type { Actor } from '../core/audit.ts';
import type { AuditLog } from './audit.ts';
import { reachIdentity, unavailable } from './current-authority.ts';

/** The beginning of every token of a portal link. */
export const PORTAL_TOKEN_PREFIX = 'portal_';

/** Links that have not expired, at most. Each takes some 500 bytes. */
export const PORTAL_LINKS_MAX = 100_000;

export interface NewPortalLink extends PortalOwner {
  readonly theme: Readonly<Record<string, string>>;
  readonly expiresMs: number;
}

export interface PortalLinksParts {
  readonly store: AwaitedWrites;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** The identity of a cluster. `undefined`: the links are of this hub alone. */
  readonly shared: SharedIdentity | undefined;
}

/**
 * The portal links of a hub, or of all hubs of a cluster. A token has 256 random bits, and the hub
 * stores its hash. A link ends at its time, with a revocation of its id as a token, or with its
 * creator's key.
 */
export class PortalLinks {
  readonly #parts: PortalLinksParts;
  /** By the hash of the token. */
  readonly #byHash = new Map<string, { readonly link: StoredPortalLink; readonly principal: Principal }>();
  readonly #byId = new Map<string, StoredPortalLink>();
  #sharedPruneMs = -Infinity;

  constructor(parts: PortalLinksParts, stored: readonly StoredPortalLink[]) {
    this.#parts = parts;
    const nowMs = parts.clock.nowMs();
    for (const link of stored) if (link.expiresMs > nowMs) this.#add(link);
  }

  /**
   * Creates a link, durably. Returns its token, which is shown only here.
   * @throws PolycastError `overloaded`, `log_full`, `log_unavailable`
   */
  async create(options: NewPortalLink, by: Actor): Promise<{ readonly id: string; readonly token: string }> {
    const { store, audit, clock, shared } = this.#parts;
    const nowMs = clock.nowMs();
    this.prune(nowMs);
    if (this.#byHash.size >= PORTAL_LINKS_MAX)
      throw new PolycastError('overloaded', `There are ${PORTAL_LINKS_MAX} portal links.`, { retryAfterMs: 60_000 });
    const id = `link_${randomBytes(12).toString('hex')}`;
    const token = PORTAL_TOKEN_PREFIX + randomBytes(32).toString('base64url');
    const link: StoredPortalLink = { ...options, id, hash: hashOf(token), key: by.key, createdMs: nowMs };
    const detail = { owner: link.owner, channels: link.channels, expires: new Date(link.expiresMs).toISOString() };
    const added = { kind: 'portal_link', link } as const;
    const pruned = { kind: 'portal_links_pruned', beforeMs: nowMs } as const;
    const record = { action: 'portal-link.created', subject: id, by, detail };
    if (shared === undefined) {
      await store.whenWritable();
      audit.write([pruned, added], record);
      this.#add(link);
      await store.whenDurable();
    } else {
      // Each view reads all links to prune them.
      const isPruneDue = nowMs - this.#sharedPruneMs >= SHARED_PRUNE_INTERVAL_MS;
      if (isPruneDue) this.#sharedPruneMs = nowMs;
      await audit.commit(isPruneDue ? [pruned, added] : [added], record, {});
      this.apply(link);
    }
    return { id, token };
  }

  /** Any hub of the cluster has created a link. */
  apply(link: StoredPortalLink): void {
    if (!this.#byId.has(link.id)) this.#add(link);
  }

  /**
   * The principal of a token; `undefined` for other credentials.
   * @throws PolycastError `unauthorized`, `token_expired`, `identity_unavailable`
   */
  identify(token: string | undefined): Principal | Promise<Principal> | undefined {
    if (token?.startsWith(PORTAL_TOKEN_PREFIX) !== true) return undefined;
    const { shared } = this.#parts;
    if (shared?.isCurrent === false) throw unavailable('portal links');
    const tokenHash = hashOf(token);
    if (shared === undefined || this.#byHash.has(tokenHash)) return this.#principalOf(tokenHash);
    return reachIdentity(() => shared.reach(), 'portal links').then(() => this.#principalOf(tokenHash));
  }

  /** @throws PolycastError `unauthorized`, `token_expired` */
  #principalOf(tokenHash: string): Principal {
    const found = this.#byHash.get(tokenHash);
    if (found === undefined) throw new PolycastError('unauthorized', 'The portal link is not known.');
    if (found.link.expiresMs <= this.#parts.clock.nowMs()) throw new PolycastError('token_expired');
    return found.principal;
  }

  /** The link of a principal that `identify` returned. */
  linkOf({ token }: Principal): StoredPortalLink | undefined {
    return token === undefined ? undefined : this.#byId.get(token);
  }

  /** Forgets the links that expired before a moment. */
  prune(beforeMs: number): void {
    for (const { id, hash: tokenHash, expiresMs } of this.#byId.values()) {
      if (expiresMs >= beforeMs) continue;
      this.#byHash.delete(tokenHash);
      this.#byId.delete(id);
    }
  }

  #add(link: StoredPortalLink): void {
    const { owner, channels, id, key, createdMs, expiresMs } = link;
    const principal: Principal = {
      ...ANONYMOUS,
      kind: 'server',
      grants: { subscriptions: channels, subscribe: channels },
      key,
      token: id,
      issuedMs: createdMs,
      expiresMs,
      portal: { owner, channels },
    };
    this.#byHash.set(link.hash, { link, principal });
    this.#byId.set(id, link);
  }
}

/** Expired links are removed from the views of a cluster this often at most. */
const SHARED_PRUNE_INTERVAL_MS = 600_000;

function hashOf(token: string): string {
  return hash('sha256', token, 'base64url');
}
