import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PRIVATE_FILE_MODE } from './private-files.ts';

/**
 * Replaces a small file atomically. After a crash it has either the old text or the new one. Once
 * this returns it has the new text.
 */
export function replaceFile(file: string, text: string): void {
  const temporary = file + '.new';
  const descriptor = openSync(temporary, 'w', PRIVATE_FILE_MODE);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  syncFolderOf(file);
}

/**
 * Replaces a small file atomically, without waiting for the disk. After a power cut it may have the
 * old text, the new one, or be damaged.
 */
export function replaceFileSoon(file: string, text: string): void {
  const temporary = file + '.new';
  writeFileSync(temporary, text, { mode: PRIVATE_FILE_MODE });
  renameSync(temporary, file);
}

/** Makes the names of a folder's files durable. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return; // Windows cannot sync a folder, and need not.
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes the name of a file durable. */
export function syncFolderOf(file: string): void {
  syncFolder(dirname(resolve(file)));
}

/** The text of a small file. Undefined when it cannot be read. */
export function readFileIfAny(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
