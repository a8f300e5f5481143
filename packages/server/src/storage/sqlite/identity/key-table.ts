import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { StoredKey, StoredSecret } from '../../../core/access/identity-store.ts';
import type { Grants } from '../../../core/access/principal.ts';
import { scopesProblem } from '../../../core/access/scopes.ts';
import { invalidRowError } from './identity-file.ts';

/** The table of keys in the identity store. */
export class KeyTable {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #putSecret: StatementSync;
  readonly #deleteSecrets: StatementSync;
  readonly #delete: StatementSync;
  readonly #updateLastUsed: StatementSync;
  readonly #rememberHadKeys: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#put = database.prepare(
      `INSERT INTO key VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, scopes = excluded.scopes, expires_ms = excluded.expires_ms`,
    );
    this.#putSecret = database.prepare('INSERT INTO secret VALUES (?, ?, ?, ?)');
    this.#deleteSecrets = database.prepare('DELETE FROM secret WHERE key = ?');
    this.#delete = database.prepare('DELETE FROM key WHERE id = ?');
    this.#updateLastUsed = database.prepare('UPDATE key SET last_used_ms = ? WHERE id = ?');
    this.#rememberHadKeys = database.prepare("INSERT OR IGNORE INTO note VALUES ('had keys')");
  }

  /** @throws DataFolderError when a row is one that no version of the hub writes */
  load(): StoredKey[] {
    const secrets = Map.groupBy(
      this.#database.prepare('SELECT * FROM secret ORDER BY created_ms DESC').all(),
      ({ key }) => key as string,
    );
    return this.#database
      .prepare('SELECT * FROM key ORDER BY created_ms, id')
      .all()
      .map((row) => readKey(row, (secrets.get(row['id'] as string) ?? []).map(readSecret)));
  }

  /** Writes a key with all of its secrets. */
  put({ id, name, scopes, createdMs, expiresMs, lastUsedMs, secrets }: StoredKey): void {
    this.#put.run(id, name, JSON.stringify(scopes), createdMs, expiresMs ?? null, lastUsedMs ?? null);
    this.#rememberHadKeys.run();
    this.#deleteSecrets.run(id);
    for (const secret of secrets) this.#putSecret.run(id, secret.hash, secret.createdMs, secret.expiresMs ?? null);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  setLastUsed(id: string, lastUsedMs: number): void {
    this.#updateLastUsed.run(lastUsedMs, id);
  }

  /** Whether the data folder has ever had a key. */
  hasEverHadKeys(): boolean {
    return this.#database.prepare("SELECT 1 FROM note WHERE name = 'had keys'").get() !== undefined;
  }
}

function readKey(row: Readonly<Record<string, unknown>>, secrets: readonly StoredSecret[]): StoredKey {
  const { id, name, scopes: text, created_ms, expires_ms, last_used_ms } = row as Record<string, never>;
  const scopes = readScopes(text as unknown as string);
  if (scopes === undefined || secrets.length === 0) throw invalidRowError(`an invalid key: ${String(id).slice(0, 64)}`);
  return {
    id: id as unknown as string,
    name: name as unknown as string,
    scopes,
    createdMs: created_ms as unknown as number,
    expiresMs: expires_ms ?? undefined,
    lastUsedMs: last_used_ms ?? undefined,
    secrets,
  };
}

function readSecret({ hash, created_ms, expires_ms }: Readonly<Record<string, unknown>>): StoredSecret {
  return {
    hash: hash as Uint8Array,
    createdMs: created_ms as number,
    expiresMs: (expires_ms as number | null) ?? undefined,
  };
}

function readScopes(text: string): Grants | undefined {
  try {
    const value = JSON.parse(text) as Grants;
    return scopesProblem(value) === undefined ? value : undefined;
  } catch {
    return undefined;
  }
}
