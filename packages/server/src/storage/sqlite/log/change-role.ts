import { backup, DatabaseSync } from 'node:sqlite';
import type { IdentityChange } from '../../../core/access/identity-store.ts';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import type { Position } from '../../../core/ports.ts';
import { changeToJson, type ChangeJson } from '../../shared/identity-json.ts';
import type { IdentityCommand } from '../../view/identity-command.ts';
import { applyIdentity, auditEntry, readIdentity, type ViewIdentity } from '../../view/identity-state.ts';
import type { ViewState } from '../../view/log-view.ts';
import type { MovedIdentity } from '../identity/identity-tables.ts';
import { makePrivateFile } from '../private-files.ts';
import { inodeOf, settleGeneration } from './generation-file.ts';
import { logFiles } from './log-files.ts';
import { assertBuilt } from './view-build.ts';
import type { WriterOptions } from './messages.ts';
import { VIEW_TABLES } from './open-database.ts';
import { readViewState } from './view-state-table.ts';
import { LogWriter } from './writer-thread/log-writer.ts';
import type { StoredChange } from '../../view/subscription-command.ts';
import { applyChange, readAllChanges } from '../../view/subscription-state.ts';
import { SqliteIdentityRows, SqliteSubscriptionRows } from './writer-thread/view-writer.ts';

/**
 * A log has one of two roles: the log of one hub, or the view of a hub of a cluster. A move between
 * them copies the database and changes the role of the copy. Events, positions and idempotency keys
 * are stored in the same way in both.
 */

export interface SettledLog {
  readonly epoch: string;
  readonly epochStart: Position;
  /** The newest position that was ever assigned. */
  readonly head: Position;
  readonly events: number;
}

/**
 * Opens and closes the log of a locked folder, as a hub does. So it has the schema of this version,
 * and a folder that was restored gets its new epoch.
 * @throws DataFolderError
 */
export function settleLog(options: WriterOptions): SettledLog {
  const writer = new LogWriter(options);
  const { epoch, epochStart, head, unavailable } = writer.opened;
  writer.close();
  if (unavailable !== undefined)
    throw new DataFolderError('inaccessible', `The log in ${options.folder} cannot be written.`);
  using database = openReadOnly(options.folder);
  const { events } = database.prepare('SELECT count(*) AS events FROM event').get() as { events: number };
  return { epoch, epochStart, head, events };
}

/** Copies the log of a locked folder as the view of a cluster that has applied `state`. */
export async function copyLogAsView(
  folder: string,
  file: string,
  state: ViewState,
  { changes, hasEverHadKeys, audit }: MovedIdentity,
  subscriptions: readonly StoredChange[],
): Promise<void> {
  await copyDatabase(folder, file);
  using copy = openCopy(file);
  copy.exec(`BEGIN; ${VIEW_TABLES}`);
  copy.prepare('INSERT INTO journal_view VALUES (1, ?)').run(JSON.stringify(state));
  const rows = new SqliteIdentityRows(copy, audit.length);
  applyIdentity(rows, commandOf(changes), state.sequence);
  if (hasEverHadKeys) rows.put('note', 'had keys', '');
  const insert = copy.prepare('INSERT INTO journal_audit VALUES (?, ?)');
  for (const { id, ...entry } of audit) insert.run(id, JSON.stringify(entry));
  const subscriptionRows = new SqliteSubscriptionRows(copy);
  for (const change of subscriptions) applyChange(subscriptionRows, change);
  copy.exec('COMMIT');
}

/** The contents of a view, read before its tables were removed. */
export interface MovedView {
  readonly state: ViewState;
  readonly identity: MovedIdentity;
  readonly subscriptions: readonly StoredChange[];
  readonly events: number;
}

/**
 * Copies a view as the log of one hub into a folder that no hub uses. The log continues the epoch
 * of the view: its next start finds what this function has written.
 */
export async function copyViewAsLog(folder: string, target: string): Promise<MovedView> {
  assertBuilt(folder);
  const files = logFiles(target);
  await copyDatabase(folder, files.database);
  using copy = openCopy(files.database);
  const state = readViewState(copy);
  const rows = new SqliteIdentityRows(copy, Infinity);
  const identity = readIdentity(rows, state.sequence);
  const entries = copy.prepare('SELECT id, entry FROM journal_audit ORDER BY id').all();
  const audit = (entries as { id: number; entry: string }[]).map(({ id, entry }) => auditEntry(id, entry));
  const subscriptions = hasTable(copy, 'journal_subscription') ? readAllChanges(new SqliteSubscriptionRows(copy)) : [];
  const tables = ['journal_view', 'journal_writer', 'journal_identity', 'journal_audit', 'journal_subscription'];
  // Names of keys and secrets of webhooks must not stay in pages that are free.
  copy.exec(
    `PRAGMA secure_delete = ON; BEGIN; ${tables.map((table) => `DROP TABLE IF EXISTS ${table}`).join('; ')}; COMMIT`,
  );
  copy
    .prepare('UPDATE state SET epoch = ?, epoch_start = ?, generation = 1, inode = ?')
    .run(state.epoch, state.epochStart, inodeOf(files));
  settleGeneration(files, 1);
  const { events } = copy.prepare('SELECT count(*) AS events FROM event').get() as { events: number };
  return {
    state,
    events,
    subscriptions,
    identity: { changes: changesOf(identity), hasEverHadKeys: identity.hasEverHadKeys, audit },
  };
}

/** The state of a copy that `copyLogAsView` has completed; `undefined`: there is none. */
export function readCopy(file: string): { readonly state: ViewState; readonly head: Position } | undefined {
  try {
    using copy = new DatabaseSync(file, { readOnly: true });
    const { head } = copy.prepare('SELECT reserved_through AS head FROM state').get() as { head: Position };
    return { state: readViewState(copy), head };
  } catch {
    return undefined;
  }
}

/** Views of earlier versions have fewer tables. */
function hasTable(database: DatabaseSync, name: string): boolean {
  return database.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(name) !== undefined;
}

/** All pages in one step, which sees one commit. */
const PAGES_MAX = 2 ** 31 - 1;
const BUSY_TIMEOUT_MS = 5000;

async function copyDatabase(folder: string, file: string): Promise<void> {
  makePrivateFile(file);
  using source = openReadOnly(folder);
  await backup(source, file, { rate: PAGES_MAX });
}

function openReadOnly(folder: string): DatabaseSync {
  return new DatabaseSync(logFiles(folder).database, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
}

/** One file has all of it, and is on the disk after each commit. */
function openCopy(file: string): DatabaseSync {
  const copy = new DatabaseSync(file);
  copy.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL');
  return copy;
}

function commandOf(changes: readonly IdentityChange[]): IdentityCommand {
  return { changes: changes.map((change): ChangeJson => changeToJson(change)) as IdentityCommand['changes'] };
}

function changesOf({ keys, revocations, portalLinks, erasures }: ViewIdentity): readonly IdentityChange[] {
  return [
    ...keys.map(({ key }): IdentityChange => ({ kind: 'key', key })),
    ...revocations.map((revocation): IdentityChange => ({ kind: 'revocation', revocation })),
    ...portalLinks.map((link): IdentityChange => ({ kind: 'portal_link', link })),
    // The one hub finishes them.
    ...erasures.map((erasure): IdentityChange => ({ kind: 'erasure', erasure })),
  ];
}
