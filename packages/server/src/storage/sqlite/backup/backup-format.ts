import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DataFolderError } from '../../../core/data-folder-error.ts';

/**
 * A backup is one file with all data of a hub at one moment: the log, subscriptions, identity,
 * presence and the session journal. It is an SQLite database with the tables of the log and two
 * more. `backup_manifest` has the manifest, and `backup_part` has the other files of the data
 * folder, in parts. After the database comes one line, the seal:
 * `{"polycastBackup":1,"bytes":8192,"sha256":"…"}`. Example:
 * `sqlite3 FILE 'SELECT json FROM backup_manifest'` shows what a backup contains.
 */
export interface BackupManifest {
  /** The version of this form. */
  readonly format: number;
  /** The version of Polycast that made the backup. */
  readonly version: string;
  /** Everything that was acknowledged before this time is in the backup. */
  readonly moment: string;
  readonly log: LogSummary;
  readonly files: readonly BackedUpFile[];
}

/** The log in a backup. */
export interface LogSummary {
  /** The schema version of the log. */
  readonly schema: number;
  readonly epoch: string;
  /** The newest position. */
  readonly head: number;
  readonly events: number;
  readonly channels: number;
  /** Channels of which the hub's disk had lost events before the backup. */
  readonly incompleteChannels: number;
}

/** A file of the data folder beside the log. */
export interface BackedUpFile {
  readonly name: string;
  readonly schema: number;
  readonly bytes: number;
  readonly sha256: string;
}

export const BACKUP_FORMAT = 1;
/** `plbk` in ASCII. A hub refuses to open a backup as its log. */
export const BACKUP_APPLICATION_ID = 0x706c626b;

export const BACKUP_TABLES = `CREATE TABLE backup_manifest (json TEXT NOT NULL) STRICT;
   CREATE TABLE backup_part (name TEXT NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;`;

/** The largest part of a file in `backup_part`. */
export const PART_BYTES_MAX: number = 1024 * 1024;

/** The end of a backup. */
export interface Seal {
  /** The length of the database before the seal. */
  readonly bytes: number;
  readonly sha256: string;
}

/** The line that ends a backup. */
export function sealLine({ bytes, sha256 }: Seal): string {
  return `\n{"polycastBackup":${BACKUP_FORMAT},"bytes":${bytes},"sha256":"${sha256}"}\n`;
}

/** Bytes at the end of a file in which the seal is searched. */
const SEAL_BYTES_MAX = 256;
const SEAL = /\n\{"polycastBackup":(\d+),"bytes":(\d+),"sha256":"([0-9a-f]{64})"\}\n$/;

/**
 * Reads the seal of a backup.
 * @throws DataFolderError `corrupt` for another file, or a part of a backup; `newer_schema`
 */
export function readSeal(file: string): Seal {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const end = Buffer.alloc(Math.min(size, SEAL_BYTES_MAX));
    readSync(descriptor, end, 0, end.length, size - end.length);
    const found = SEAL.exec(end.toString('latin1'));
    if (found === null) throw notABackup(file, 'it does not end like a backup; it may be only a part of one');
    const [line, format, bytes, sha256] = found as unknown as [string, string, string, string];
    if (Number(format) > BACKUP_FORMAT)
      throw new DataFolderError(
        'newer_schema',
        `${file} was made by a newer version of Polycast (backup format ${format}; this version knows ${BACKUP_FORMAT}). Use that version or a later one.`,
      );
    if (size !== Number(bytes) + line.length) throw notABackup(file, 'it has another length than its end says');
    return { bytes: Number(bytes), sha256 };
  } finally {
    closeSync(descriptor);
  }
}

/** The digest of the first bytes of an open file. */
export function digestOf(
  descriptor: number,
  bytes: number,
  onChunk: (chunk: Buffer) => void = () => undefined,
): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(PART_BYTES_MAX);
  for (let at = 0; at < bytes;) {
    const length = readSync(descriptor, buffer, 0, Math.min(buffer.length, bytes - at), at);
    if (length === 0) break;
    const chunk = buffer.subarray(0, length);
    hash.update(chunk);
    onChunk(chunk);
    at += length;
  }
  return hash.digest('hex');
}

export function notABackup(file: string, reason: string): DataFolderError {
  return new DataFolderError('corrupt', `${file} is not a complete backup: ${reason}. Nothing has been changed.`);
}
