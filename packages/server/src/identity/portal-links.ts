import { hash, randomBytes } from 'node:crypto';
import { PolycastError } from '@polycast/protocol';
import type { AwaitedWrites } from '../core/access/identity-store.ts';
import type { PortalOwner, StoredPortalLink } from '../core/access/portal-link.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import type { Actor, Clock } from '../core/ports.ts';
import type { AuditLog } from './audit.ts';

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
}

/**
 * The portal links of a hub. A token has 256 random bits, and the hub stores its hash. A link ends at
 * its time, with a revocation of its id as a token, or with its creator's key.
 */
export class PortalLinks {
  readonly #parts: PortalLinksParts;
  /** By the hash of the token. */
  readonly #byHash = new Map<string, { readonly link: StoredPortalLink; readonly principal: Principal }>();
  readonly #byId = new Map<string, StoredPortalLink>();

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
    const { store, audit, clock } = this.#parts;
    const nowMs = clock.nowMs();
    this.#prune(nowMs);
    if (this.#byHash.size >= PORTAL_LINKS_MAX)
      throw new PolycastError('overloaded', `There are ${PORTAL_LINKS_MAX} portal links.`, { retryAfterMs: 60_000 });
    const id = `link_${randomBytes(12).toString('hex')}`;
    const token = PORTAL_TOKEN_PREFIX + randomBytes(32).toString('base64url');
    const link: StoredPortalLink = { ...options, id, hash: hashOf(token), key: by.key, createdMs: nowMs };
    await store.whenWritable();
    const detail = { owner: link.owner, channels: link.channels, expires: new Date(link.expiresMs).toISOString() };
    const changes = [
      { kind: 'portal_links_pruned', beforeMs: nowMs },
      { kind: 'portal_link', link },
    ] as const;
    audit.write(changes, { action: 'portal-link.created', subject: id, by, detail });
    this.#add(link);
    await store.whenDurable();
    return { id, token };
  }

  /**
   * The principal of a token; `undefined` for other credentials.
   * @throws PolycastError `unauthorized`, `token_expired`
   */
  identify(token: string | undefined): Principal | undefined {
    if (token?.startsWith(PORTAL_TOKEN_PREFIX) !== true) return undefined;
    const found = this.#byHash.get(hashOf(token));
    if (found === undefined) throw new PolycastError('unauthorized', 'The portal link is not known.');
    if (found.link.expiresMs <= this.#parts.clock.nowMs()) throw new PolycastError('token_expired');
    return found.principal;
  }

  /** The link of a principal that `identify` returned. */
  linkOf({ token }: Principal): StoredPortalLink | undefined {
    return token === undefined ? undefined : this.#byId.get(token);
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

  #prune(nowMs: number): void {
    for (const { id, hash: tokenHash, expiresMs } of this.#byId.values()) {
      if (expiresMs > nowMs) continue;
      this.#byHash.delete(tokenHash);
      this.#byId.delete(id);
    }
  }
}

function hashOf(token: string): string {
  return hash('sha256', token, 'base64url');
}
