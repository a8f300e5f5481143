import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { StoredPortalLink } from '../../../core/access/portal-link.ts';

/** The table of portal links in the identity store. */
export class PortalLinkTable {
  readonly #all: StatementSync;
  readonly #put: StatementSync;
  readonly #prune: StatementSync;

  constructor(database: DatabaseSync) {
    this.#all = database.prepare('SELECT link FROM portal_link ORDER BY expires_ms');
    this.#put = database.prepare('INSERT OR REPLACE INTO portal_link VALUES (?, ?, ?)');
    this.#prune = database.prepare('DELETE FROM portal_link WHERE expires_ms < ?');
  }

  load(): StoredPortalLink[] {
    return (this.#all.all() as unknown as { link: string }[]).map(({ link }) => JSON.parse(link) as StoredPortalLink);
  }

  put(link: StoredPortalLink): void {
    this.#put.run(link.id, link.expiresMs, JSON.stringify(link));
  }

  prune(beforeMs: number): void {
    this.#prune.run(beforeMs);
  }
}
