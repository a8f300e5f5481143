import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writevSync,
} from 'node:fs';
import { join } from 'node:path';
import { PRIVATE_FILE_MODE } from '../private-files.ts';

/**
 * The folder of the session journal in the data folder. Segment 12 is its files
 * `000000000012.lines`, and `000000000012.index` once it is complete, or its hub has stopped.
 * `journal.json` has the rest.
 */
export const SESSIONS_FOLDER = 'sessions';

const LINES_FILE = /^(\d{12})\.lines$/;
const JOURNAL_FILE = /^(?:\d{12}\.(?:lines|index)|journal\.json)$/;

export function linesFile(folder: string, segment: number): string {
  return join(folder, `${String(segment).padStart(12, '0')}.lines`);
}

export function indexFile(folder: string, segment: number): string {
  return join(folder, `${String(segment).padStart(12, '0')}.index`);
}

/** The segments that have a file, the oldest first. */
export function segmentsIn(folder: string): readonly number[] {
  return readdirSync(folder)
    .flatMap((name) => LINES_FILE.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((one, other) => one - other);
}

/** The files of the journal in a data folder, as paths in it. */
export function sessionsFilesIn(dataFolder: string): readonly string[] {
  const folder = join(dataFolder, SESSIONS_FOLDER);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => `${SESSIONS_FOLDER}/${name}`)
    .filter(isSessionsFile)
    .sort();
}

/** Whether a path in a data folder is a file of the journal. */
export function isSessionsFile(path: string): boolean {
  return path.startsWith(`${SESSIONS_FOLDER}/`) && JOURNAL_FILE.test(path.slice(SESSIONS_FOLDER.length + 1));
}

export function removeSegment(folder: string, segment: number): void {
  for (const fileOf of [linesFile, indexFile]) rmSync(fileOf(folder, segment), { force: true });
}

/** Writes bytes at a position of an open file. @throws when the disk does not accept them all */
export function writeAt(descriptor: number, bytes: readonly Uint8Array[], position: number): void {
  let length = 0;
  for (const each of bytes) length += each.length;
  const written = writevSync(descriptor, bytes as Uint8Array[], position);
  if (written < length) throw Object.assign(new Error('The disk is full.'), { code: 'ENOSPC' });
}

/** Reads bytes of an open file. Those beyond its end are 0. */
export function readAt<View extends Uint8Array | Uint32Array | Float64Array>(
  descriptor: number,
  into: View,
  position: number,
): View {
  readSync(descriptor, into, 0, into.byteLength, position);
  return into;
}

/**
 * Replaces the bytes of a file where they are, so that the disk does not keep the earlier ones.
 * Creates the file if needed.
 */
export function overwriteFile(file: string, parts: readonly Uint8Array[], isDurable: boolean): void {
  const descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT, PRIVATE_FILE_MODE);
  try {
    writeAt(descriptor, parts, 0);
    ftruncateSync(
      descriptor,
      parts.reduce((sum, { length }) => sum + length, 0),
    );
    if (isDurable) fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
