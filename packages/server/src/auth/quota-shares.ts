import type { Principal } from '../core/access/principal.ts';
import type { FollowerLink, FollowerLinks } from '../processes/follower-links.ts';
import { decodeJson, encodeJson } from '../processes/process-channel.ts';
import type { OwnerLink } from '../processes/owner-link.ts';
import type { ConnectionQuota, QuotaCounts, QuotaName } from './connection-quota.ts';
import type { Session, SessionListener, Sessions } from './sessions.ts';

export interface QuotaSharesParts {
  readonly followers: FollowerLinks;
  readonly sessions: Sessions;
  readonly quota: ConnectionQuota;
  /** The follower that has a session; `undefined` for a session of this process. */
  readonly linkOf: (session: Session) => FollowerLink | undefined;
}

/**
 * Limits of sessions hold for the hub. The owner knows the sessions of all processes. While a name
 * is at its limit, it sends each follower how many sessions the name has elsewhere. Example: a user
 * may have 100 sessions and has 60 at the owner and 40 at a follower. The follower then knows that
 * 60 are elsewhere, and accepts one more as soon as one of its own has ended.
 *
 * Two processes may accept the last session of a name in the same moment. The owner then ends the
 * one that it hears of last (`SessionMirror`).
 */
export class QuotaShares implements SessionListener {
  readonly #parts: QuotaSharesParts;
  /** The sessions of each follower, by name. */
  readonly #byLink = new Map<FollowerLink, Map<QuotaName, number>>();
  readonly #full = new Set<QuotaName>();
  /** Names with a change that the followers do not know. */
  #changed = new Set<QuotaName>();

  constructor(parts: QuotaSharesParts) {
    this.#parts = parts;
    const { followers, sessions, quota } = parts;
    sessions.listen(this);
    quota.onLimits(() => this.#countAgain());
    quota.onElsewhere((names) => this.#change(names));
    followers.onOpened((link) => this.#send(link, this.#full));
    followers.onClosed((link) => void this.#byLink.delete(link));
  }

  opened(session: Session): void {
    this.#count(session, session.principal, 1);
  }

  closed(session: Session): void {
    this.#count(session, session.principal, -1);
  }

  changed(session: Session, before: { readonly principal: Principal }): void {
    if (before.principal === session.principal) return;
    this.#count(session, before.principal, -1);
    this.#count(session, session.principal, 1);
  }

  #count(session: Session, principal: Principal, change: number): void {
    const { quota, linkOf } = this.#parts;
    for (const name of quota.limitedNames(principal, session.address)) {
      const link = linkOf(session);
      if (link !== undefined) this.#countAt(link, name, change);
      this.#change([name]);
    }
  }

  #change(names: Iterable<QuotaName>): void {
    if (this.#changed.size === 0) setImmediate(() => this.#sendChanges());
    for (const name of names) this.#changed.add(name);
  }

  #countAt(link: FollowerLink, name: QuotaName, change: number): void {
    let counts = this.#byLink.get(link);
    if (counts === undefined) this.#byLink.set(link, (counts = new Map()));
    const count = (counts.get(name) ?? 0) + change;
    if (count > 0) counts.set(name, count);
    else counts.delete(name);
  }

  #sendChanges(): void {
    const news: QuotaName[] = [];
    for (const name of this.#changed) {
      const { isFull } = this.#parts.quota.countOf(name);
      if (isFull || this.#full.has(name)) news.push(name);
      if (isFull) this.#full.add(name);
      else this.#full.delete(name);
    }
    this.#changed = new Set();
    if (news.length > 0) for (const link of this.#parts.followers.all) this.#send(link, news);
  }

  #send(link: FollowerLink, names: Iterable<QuotaName>): void {
    const counts: Record<QuotaName, number> = {};
    for (const name of names) {
      const { count, elsewhere, isFull } = this.#parts.quota.countOf(name);
      counts[name] = isFull ? count + elsewhere - (this.#byLink.get(link)?.get(name) ?? 0) : 0;
    }
    link.channel.send('quota', encodeJson(counts));
  }

  /** Another limit makes other names full. */
  #countAgain(): void {
    this.#byLink.clear();
    // Those that were full may no longer be.
    for (const name of this.#full) this.#changed.add(name);
    for (const session of this.#parts.sessions.each()) if (!session.isMomentary) this.opened(session);
    this.#sendChanges();
  }
}

/** A follower counts what the owner sends. Without an owner it counts its own sessions alone. */
export function followQuota(owner: OwnerLink, quota: ConnectionQuota): void {
  owner.on('quota', (body) => quota.setElsewhere(decodeJson<QuotaCounts>(body)));
  owner.onLost(() => quota.forgetElsewhere());
}
