import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readDiskSpace } from '../../../../operate/host-resources.ts';
import type { IngestKeySettings } from '../../../../core/ingest-settings.ts';
import { formatBytes, formatDuration, formatMs, formatShare } from '../../../quantities.ts';
import { fail, ok, skipped, warn, type Check, type Finding, type Patient } from './finding.ts';

const SYNCS = 50;
const SYNC_BYTES = 4096;
/** A slow disk is not kept busy for longer. */
const SYNCS_TIME_MAX_MS = 3000;
/** A publisher waits for one sync at least. */
const SYNC_WARN_MS = 10;
const SYNC_FAIL_MS = 100;
const FREE_SHARE_WARN = 0.2;
const FREE_SHARE_FAIL = 0.05;
const DAY_SECONDS = 86_400;
const FULL_WARN_SECONDS = 14 * DAY_SECONDS;
const FULL_FAIL_SECONDS = DAY_SECONDS;
/** A hub that has just started has no typical rate yet. */
const RATE_AFTER_SECONDS = 600;

/** File systems that are no place for a log, by the magic numbers of statfs(2). */
const UNSUITABLE: Readonly<Record<number, readonly [name: string, result: typeof warn, advice: string]>> = {
  0x01021994: ['tmpfs', warn, 'It is memory: a restart of the machine loses all events. Use a disk.'],
  0x794c7630: ['overlay', warn, 'It is a layer of a container, which ends with it. Mount a volume.'],
  0x6969: ['NFS', fail, "SQLite's locks are not reliable there. Use a local disk."],
  0xff534d42: ['CIFS', fail, "SQLite's locks are not reliable there. Use a local disk."],
  0xfe534d42: ['SMB2', fail, "SQLite's locks are not reliable there. Use a local disk."],
};

/** Measures real syncs: a publisher is answered when its event is synced. */
export const syncSpeed: Check = ({ folder }) => {
  if (folder === undefined) return [skipped('fsync', 'the data folder is not on a disk of this machine')];
  const home = existingFolder(folder);
  let times: readonly number[];
  try {
    times = measureSyncs(home);
  } catch (error) {
    return [
      fail('fsync', `${home}: ${(error as Error).message}`, 'Give the user of the hub the right to write there.'),
    ];
  }
  const sorted = times.toSorted((one, other) => one - other);
  const medianMs = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const measured = `median ${formatMs(medianMs)}, slowest ${formatMs(sorted.at(-1) ?? 0)} of ${sorted.length} in ${home}`;
  const advice = 'Publishers wait this long. Use an SSD, and no network file system, for the data folder.';
  if (medianMs >= SYNC_FAIL_MS) return [fail('fsync', measured, advice), ...fileSystem(home)];
  return [medianMs >= SYNC_WARN_MS ? warn('fsync', measured, advice) : ok('fsync', measured), ...fileSystem(home)];
};

/** Appends to a file and syncs it, as a log does. The file is removed. */
function measureSyncs(folder: string): readonly number[] {
  const file = join(folder, `doctor-${process.pid}.tmp`);
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    const times: number[] = [];
    const block = Buffer.alloc(SYNC_BYTES, 1);
    const startedMs = performance.now();
    while (times.length < SYNCS && performance.now() - startedMs < SYNCS_TIME_MAX_MS) {
      writeSync(descriptor, block);
      const beforeMs = performance.now();
      fdatasyncSync(descriptor);
      times.push(performance.now() - beforeMs);
    }
    return times;
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
}

function fileSystem(folder: string): readonly Finding[] {
  const unsuitable = UNSUITABLE[statfsSync(folder).type];
  if (unsuitable === undefined) return [];
  const [name, result, advice] = unsuitable;
  return [result('file system', `${folder} is on ${name}`, advice)];
}

export const freeSpace: Check = async (patient) => {
  const { folder, status } = patient;
  const space = folder === undefined ? spaceOfHub(patient) : await readDiskSpace(existingFolder(folder));
  if (space === undefined) return [skipped('free space', 'the data is in memory, or on another machine')];
  const { freeBytes, sizeBytes } = space;
  const rate = growth(patient);
  const fullInSeconds = rate > 0 ? freeBytes / rate : Infinity;
  const log = status === undefined ? '' : `, log ${formatBytes(status.storage.databaseBytes)}`;
  const full = fullInSeconds < Infinity ? `, at this rate full in ${formatDuration(fullInSeconds)}` : '';
  const measured = `${formatBytes(freeBytes)} free (${formatShare(freeBytes, sizeBytes)})${log}${full}`;
  const advice =
    'Shorten retention (defaults.historyAgeMaxSeconds), or use a larger disk. A full disk refuses publishers.';
  const share = freeBytes / sizeBytes;
  if (share < FREE_SHARE_FAIL || fullInSeconds < FULL_FAIL_SECONDS) return [fail('free space', measured, advice)];
  const isLow = share < FREE_SHARE_WARN || fullInSeconds < FULL_WARN_SECONDS;
  return [isLow ? warn('free space', measured, advice) : ok('free space', measured)];
};

function spaceOfHub({ status }: Patient): { readonly freeBytes: number; readonly sizeBytes: number } | undefined {
  const { freeBytes = null, sizeBytes = null } = status?.storage ?? {};
  return freeBytes === null || sizeBytes === null ? undefined : { freeBytes, sizeBytes };
}

/**
 * Bytes per second by which the log grows until retention removes as much as publishers add; 0 when
 * it no longer grows. The rate is that since the start of the hub.
 */
function growth({ config, status }: Patient): number {
  if (status === undefined || status.uptimeSeconds < RATE_AFTER_SECONDS) return 0;
  const rate = status.published.bytes / status.uptimeSeconds;
  const ages = [config.defaults.historyAgeMaxSeconds, ...config.rules.map((rule) => rule.historyAgeMaxSeconds)];
  const retentionSeconds = ages.includes(null) ? Infinity : Math.max(...ages.filter((age) => typeof age === 'number'));
  const remainingBytes = rate * retentionSeconds - status.storage.databaseBytes;
  const { freeBytes } = status.storage;
  // What retention will hold at most fits on the disk.
  return freeBytes === null || remainingBytes < freeBytes ? 0 : rate;
}

const OTHERS_MODE = 0o077;

/** Only the user of the hub may read its data, its secrets and its private key. */
export const permissions: Check = ({ folder, config, configFile }) => {
  const data = folder !== undefined && existsSync(folder) ? [folder, ...filesIn(folder)] : [];
  const keys = configuredKeys(config).flatMap(({ secretFile }) => secretFile ?? []);
  const secrets = [config.tls.keyFile, config.cluster.sealKeyFile, ...keys].filter(
    (path) => path !== null && existsSync(path),
  );
  const paths = [
    ...data,
    ...secrets.filter((path) => path !== null),
    ...(hasSecrets(configFile, config) ? [configFile ?? ''] : []),
  ];
  // A running hub renames and removes files: one that has just gone is nobody's to read.
  const modes = paths.map((path) => ({ path, mode: statSync(path, { throwIfNoEntry: false })?.mode }));
  const found = modes.filter(({ mode }) => mode !== undefined);
  if (found.length === 0) return [skipped('permissions', 'there is no data folder or secret on this machine')];
  const exposed = found.filter(({ mode = 0 }) => (mode & OTHERS_MODE) !== 0).map(({ path }) => path);
  if (exposed.length === 0) return [ok('permissions', `${found.length} files and folders, for their owner alone`)];
  const shown = exposed.slice(0, 3).join(' ');
  return [
    warn('permissions', `other users can access ${exposed.length} of ${found.length}: ${shown}`, `chmod go= ${shown}`),
  ];
};

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** The keys of tokens, and of third parties' webhooks. */
function configuredKeys({ identity, ingest }: Patient['config']): readonly IngestKeySettings[] {
  return [...identity.tokens, ...ingest].flatMap(({ keys = [] }) => keys);
}

function hasSecrets(configFile: string | undefined, config: Patient['config']): boolean {
  if (configFile === undefined || !existsSync(configFile)) return false;
  return configuredKeys(config).some(({ secret }) => secret !== undefined);
}

/**
 * The folder, or the nearest one above it that exists: it has the same disk before the first start.
 */
function existingFolder(folder: string): string {
  const path = resolve(folder);
  return existsSync(path) ? path : existingFolder(dirname(path));
}
