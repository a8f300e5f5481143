import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DataFolderError } from '../core/data-folder-error.ts';
import type { ClusterInspection } from './cluster/cluster-inspection.ts';
import { createMarks, markUnlessFull } from './cluster/journal-marks.ts';
import { JournalError } from './cluster/journal.ts';
import type { ClusterBrokers } from './cluster/open-configured-cluster.ts';
import { readFolderRole } from './cluster-tools.ts';
import type { StorageOptions } from './home.ts';
import { readFileIfAny, replaceFile, syncFolder, syncFolderOf } from './sqlite/atomic-file.ts';
import { writeIdentity, type MovedIdentity } from './sqlite/identity/identity-tables.ts';
import { openIdentityStore } from './sqlite/identity/sqlite-identity-store.ts';
import {
  copyLogAsView,
  copyViewAsLog,
  readCopy,
  settleLog,
  type MovedView,
  type SettledLog,
} from './sqlite/log/change-role.ts';
import { epochAfter } from './shared/epoch-after.ts';
import { logFiles } from './sqlite/log/log-files.ts';
import { renewEpoch } from './sqlite/log/open-database.ts';
import { PRIVATE_FOLDER_MODE } from './sqlite/private-files.ts';
import { sqliteHome } from './sqlite/sqlite-home.ts';
import { MARK_FILE, SUBSCRIPTIONS_FILE } from './sqlite/subscriptions/schema.ts';
import { openSubscriptionStore } from './sqlite/subscriptions/sqlite-subscription-store.ts';
import type { BlockAddress } from './view/block.ts';
import type { StoredChange } from './view/subscription-command.ts';
import { allChanges } from './view/subscription-state.ts';
import { BLOCK_FORMAT, commandBytes } from './view/view-state.ts';
import type { DeadLetter, EventPosition } from '../subscriptions/state/ports.ts';

/**
 * Moves of a log between one hub and a cluster (docs/decisions/0062-moves-of-a-log.md). The epoch
 * stays, so all cursors are valid after a move. Each move ends with one block in the journal.
 * Before this block nothing has changed, and after it the log belongs to the other side.
 */

/**
 * The journal of an imported log begins with the block 2. So no hub can begin with an empty view:
 * it needs the snapshot that has the imported events.
 */
const FIRST_SEQUENCE = 2;
const AUDIT_PAGE = 1_000;
const DEAD_LETTER_PAGE = 1_000;

export interface Imported {
  readonly epoch: string;
  readonly events: number;
  readonly keys: number;
  readonly subscriptions: number;
}

interface MoveOptions extends StorageOptions {
  /** Asks the brokers, and listens to the hubs. */
  readonly inspect: () => Promise<ClusterInspection>;
}

/**
 * Makes the data folder of a stopped hub the start of a cluster that has no events. The folder is
 * then the view of a hub of the cluster.
 * @throws DataFolderError
 */
export async function importFolder(options: MoveOptions): Promise<Imported> {
  const { data: folder } = options;
  const release = lockExisting(options);
  try {
    const { role } = readFolderRole(folder);
    if (role === 'view')
      throw new DataFolderError('not_empty', `The data folder ${folder} belongs to a hub of a cluster already.`);
    const log = settleLog(writerOptions(options));
    const subscriptions = await readLocalSubscriptions(options);
    const identity = await readLocalIdentity(options);
    const { unsafe, name } = await options.inspect();
    if (unsafe !== null)
      throw new DataFolderError('inaccessible', `The cluster ${name} may lose confirmed events: ${unsafe}.`);
    const { openBrokers } = await import('./cluster/open-configured-cluster.ts');
    const brokers = await openBrokers(options, FIRST_SEQUENCE);
    try {
      await importInto(brokers, options, log, { identity, subscriptions }).catch(rethrow);
    } finally {
      await brokers.journal.close();
    }
    const keys = identity.changes.filter(({ kind }) => kind === 'key').length;
    // The cluster has them now.
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(folder, SUBSCRIPTIONS_FILE + suffix), { force: true });
    rmSync(join(folder, MARK_FILE), { force: true });
    return { epoch: log.epoch, events: log.events, keys, subscriptions: countDefinitions(subscriptions) };
  } finally {
    release();
  }
}

async function importInto(
  { journal, snapshots, incarnation }: ClusterBrokers,
  options: StorageOptions,
  { epoch, epochStart, head }: SettledLog,
  { identity, subscriptions }: { readonly identity: MovedIdentity; readonly subscriptions: readonly StoredChange[] },
): Promise<void> {
  const {
    data: folder,
    limits: { channelsMax },
  } = options;
  const { sqliteViewCopies } = await import('./sqlite/log/sqlite-view-copies.ts');
  const copies = sqliteViewCopies(folder);
  const earlier = readCopy(copies.file);
  // An import that was interrupted between its last two steps.
  if (earlier !== undefined && (await journal.idAt(FIRST_SEQUENCE)) === earlier.state.id) {
    if (earlier.head === head && earlier.state.epoch === epoch) return copies.install();
    throw new DataFolderError(
      'not_empty',
      `${folder} was imported before, and its hub has had further events since then. They are not in the cluster. Import it into a cluster of another name (cluster.name).`,
    );
  }
  if ((await journal.last()) >= FIRST_SEQUENCE) throw usedError(options);
  const at: BlockAddress = { sequence: FIRST_SEQUENCE, id: `${incarnation}import-1` };
  await copies.discard();
  await copyLogAsView(folder, copies.file, { ...at, epoch, epochStart, channelsMax, hash: 0 }, identity, subscriptions);
  for (const unused of await snapshots.list()) await snapshots.remove(unused);
  await snapshots.removeLeftovers();
  const snapshot = await snapshots.write({ ...at, epoch }, copies.file);
  try {
    const data = commandBytes({ format: BLOCK_FORMAT, epoch, channelsMax });
    await journal.append({ id: at.id, kind: 'genesis', data }, FIRST_SEQUENCE - 1);
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'conflict') throw error;
    // The journal never had its block. A snapshot that stays says that the block was lost.
    await snapshots.remove(snapshot);
    throw usedError(options);
  }
  await copies.install();
}

export interface Exported {
  readonly epoch: string;
  readonly events: number;
  readonly keys: number;
  readonly subscriptions: number;
  /** The newest block that the exported log has. */
  readonly sequence: number;
}

export interface ExportOptions extends MoveOptions {
  /** A folder that does not exist or is empty. */
  readonly target: string;
  /** Export what the data folder has, and ask no broker. The log gets a new epoch. */
  readonly withoutBrokers: boolean;
  /** Called when the log is complete, before the block that ends the epoch of the cluster. */
  readonly onCopied?: () => Promise<void>;
}

/**
 * Writes the log of a cluster without hubs into a data folder for one hub. The cluster gets another
 * epoch, so its later events, if there are any, cannot be taken for those of the exported log. An
 * export that was interrupted after that is completed by the next one.
 * @throws DataFolderError
 */
export async function exportFolder(options: ExportOptions): Promise<Exported> {
  const { target, withoutBrokers } = options;
  if (existsSync(target) && readdirSync(target).length > 0)
    throw new DataFolderError('not_empty', `The folder ${target} is not empty. Export into a new folder.`);
  const release = withoutBrokers ? lockExisting(options) : sqliteHome.lock(options);
  const staging = `${target}.partial`;
  try {
    const { role } = readFolderRole(options.data);
    if (role === 'log' || (withoutBrokers && role === 'empty'))
      throw new DataFolderError('not_empty', `The data folder ${options.data} does not belong to a hub of a cluster.`);
    const exported = await (withoutBrokers ? exportView : exportCluster)(options, staging).catch(rethrow);
    renameSync(staging, target);
    syncFolderOf(target);
    rmSync(join(target, LAST_STEP_FILE), { force: true });
    return exported;
  } catch (error) {
    // The journal may have the block of this log. No later export has the same epoch.
    if (readLastStep(staging) === undefined) rmSync(staging, { recursive: true, force: true });
    throw error;
  } finally {
    release();
  }
}

/**
 * The newest blocks may be missing. So positions after them may have had other events: a new epoch.
 */
async function exportView({ data: folder }: StorageOptions, staging: string): Promise<Exported> {
  const { state, events, keys, subscriptions } = await writeLog(folder, staging);
  const epoch = renewEpoch(logFiles(staging));
  syncFolder(staging);
  return { epoch, events, keys, subscriptions, sequence: state.sequence };
}

async function exportCluster(options: ExportOptions, staging: string): Promise<Exported> {
  const found = await options.inspect();
  if (found.journal === null)
    throw new DataFolderError('inaccessible', `The cluster ${found.name} has no journal: there is nothing to export.`);
  const earlier = readLastStep(staging);
  if (earlier !== undefined && (await isDecided(earlier, options, staging))) return earlier.exported;
  if (found.hubs.length > 0) throw runningError(found);
  const { openConfiguredCluster } = await import('./cluster/open-configured-cluster.ts');
  // A hub appends marks. So this one ends before its view is copied: the copy has the newest block.
  await (await openConfiguredCluster(sqliteHome, options)).close();
  const { state, events, keys, subscriptions } = await writeLog(options.data, staging);
  await options.onCopied?.();
  const { epoch, sequence } = state;
  const exported = { epoch, events, keys, subscriptions, sequence };
  await endEpoch(exported, options, found, staging);
  return exported;
}

/** Appends the block after which the log in `staging` is that of the cluster. */
async function endEpoch(
  exported: Exported,
  options: StorageOptions,
  found: ClusterInspection,
  staging: string,
): Promise<void> {
  const { clock, random } = options;
  const { epoch, sequence } = exported;
  const { openBrokers } = await import('./cluster/open-configured-cluster.ts');
  const { journal, incarnation } = await openBrokers(options);
  const id = `${incarnation}export-1`;
  const data = commandBytes({ from: epoch, to: epochAfter(epoch, clock.nowMs(), random.fraction()) });
  replaceFile(join(staging, LAST_STEP_FILE), JSON.stringify({ block: id, exported } satisfies LastStep));
  try {
    await journal.append({ id, kind: 'epoch', data }, sequence);
  } catch (error) {
    const code = error instanceof JournalError ? error.code : 'unknown';
    if (code === 'unknown') throw new DataFolderError('inaccessible', `${(error as Error).message}. ${REPEAT}`);
    // An attempt without an answer may have been stored before the conflict.
    if (code === 'conflict' && (await journal.idAt(sequence + 1)) === id) return;
    rmSync(join(staging, LAST_STEP_FILE));
    throw code === 'conflict' ? runningError(found) : error;
  } finally {
    await journal.close();
  }
}

/**
 * The last step of an export: this block ends the epoch of the cluster, and the log gets its name.
 */
interface LastStep {
  readonly block: string;
  readonly exported: Exported;
}

/**
 * Written into the exported folder before the block is appended, and removed from it at the end.
 */
const LAST_STEP_FILE = 'export.json';
const REPEAT = 'The brokers did not confirm the end of the export. Run the same command again to complete it.';

function readLastStep(staging: string): LastStep | undefined {
  const text = readFileIfAny(join(staging, LAST_STEP_FILE));
  return text === undefined ? undefined : (JSON.parse(text) as LastStep);
}

/** Whether the journal has the block of an export that was interrupted. */
async function isDecided(
  { block, exported: { sequence } }: LastStep,
  options: StorageOptions,
  staging: string,
): Promise<boolean> {
  const { openBrokers } = await import('./cluster/open-configured-cluster.ts');
  const { journal, incarnation } = await openBrokers(options);
  try {
    // After a mark, a late attempt of that export cannot be stored any more.
    await markUnlessFull(createMarks(journal, `${incarnation}resume`));
    if ((await journal.idAt(sequence + 1)) === block) return true;
    if ((await journal.extent()).first <= sequence + 1) return false;
  } finally {
    await journal.close();
  }
  throw new DataFolderError(
    'not_empty',
    `${staging} has an export that was interrupted, and hubs have run since then. Remove it, and export again.`,
  );
}

async function writeLog(
  folder: string,
  staging: string,
): Promise<Pick<MovedView, 'state' | 'events'> & { readonly keys: number; readonly subscriptions: number }> {
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  const copied = await copyViewAsLog(folder, staging);
  writeIdentity(staging, copied.identity);
  await writeSubscriptions(staging, copied.subscriptions);
  syncFolder(staging);
  return {
    ...copied,
    subscriptions: countDefinitions(copied.subscriptions),
    keys: copied.identity.changes.filter(({ kind }) => kind === 'key').length,
  };
}

/** Locks a data folder that must have a log. */
function lockExisting(options: StorageOptions): () => void {
  if (!existsSync(logFiles(options.data).database))
    throw new DataFolderError('inaccessible', `There is no data of a hub in ${options.data}.`);
  return sqliteHome.lock(options);
}

function writerOptions({ data, limits, clock, random }: StorageOptions): Parameters<typeof settleLog>[0] {
  return { folder: data, channelsMax: limits.channelsMax, nowMs: clock.nowMs(), chance: random.fraction() };
}

async function readLocalIdentity({ data, identity, logger }: StorageOptions): Promise<MovedIdentity> {
  const store = openIdentityStore({ folder: data, auditEntriesMax: identity.auditEntriesMax, logger });
  try {
    const { keys, revocations, portalLinks, erasures, hasEverHadKeys } = store.load();
    if (erasures.length > 0)
      throw new DataFolderError(
        'not_empty',
        `${data} has an erasure that is not finished. Start its hub, wait until polycast erase list is empty, and import again.`,
      );
    const audit = [];
    for (let before = Infinity; ;) {
      const page = store.auditPage(before === Infinity ? Number.MAX_SAFE_INTEGER : before, AUDIT_PAGE);
      audit.push(...page);
      if (page.length < AUDIT_PAGE) break;
      before = page.at(-1)?.id ?? 0;
    }
    const changes = [
      ...keys.map((key) => ({ kind: 'key', key }) as const),
      ...revocations.map((revocation) => ({ kind: 'revocation', revocation }) as const),
      ...portalLinks.map((link) => ({ kind: 'portal_link', link }) as const),
    ];
    return { changes, hasEverHadKeys, audit: audit.toReversed() };
  } finally {
    store.close();
  }
}

/** All but the attempts, which are samples. */
async function readLocalSubscriptions({ data: folder }: StorageOptions): Promise<readonly StoredChange[]> {
  const store = await openSubscriptionStore({ folder });
  try {
    const { subscriptions, epoch } = store.load();
    const deadLetters: DeadLetter[] = [];
    for (const { definition, deadLetters: count } of subscriptions) {
      let after: EventPosition | undefined;
      for (let left = count; left > 0;) {
        const page = await store.deadLetters(definition.id, { after, limit: DEAD_LETTER_PAGE });
        deadLetters.push(...page);
        after = page.at(-1);
        left = page.length === 0 ? 0 : left - page.length;
      }
    }
    return subscriptions.length === 0 ? [] : allChanges(epoch, subscriptions, deadLetters);
  } finally {
    await store.close();
  }
}

/** Writes the store of a folder that no hub uses and that has none. */
async function writeSubscriptions(folder: string, changes: readonly StoredChange[]): Promise<void> {
  if (countDefinitions(changes) === 0) return;
  const store = await openSubscriptionStore({ folder });
  try {
    await store.write(changes);
  } finally {
    await store.close();
  }
}

function countDefinitions(changes: readonly StoredChange[]): number {
  return changes.filter(({ kind }) => kind === 'definition').length;
}

function usedError({ cluster: { name } }: StorageOptions): DataFolderError {
  return new DataFolderError(
    'not_empty',
    `The cluster ${name} is not empty: a hub has started in it before. Nothing has been changed. Stop its hubs, and choose another cluster.name for all of them.`,
  );
}

function runningError({ name, hubs }: ClusterInspection): DataFolderError {
  const hosts = hubs.map(({ host }) => host).join(', ');
  const where = hosts === '' ? 'one has just started' : `on ${hosts}`;
  return new DataFolderError(
    'in_use',
    `Hubs of the cluster ${name} run: ${where}. Stop all of them first, so that the export has every event.`,
  );
}

function rethrow(error: unknown): never {
  if (!(error instanceof JournalError)) throw error;
  throw new DataFolderError('inaccessible', `The journal of the cluster cannot be used: ${error.message}.`);
}
