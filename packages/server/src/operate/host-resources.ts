import { readFileSync, statSync } from 'node:fs';
import { readdir, statfs } from 'node:fs/promises';

/**
 * What the machine gives to the process: open files and disk space. The files of `/proc` exist on
 * Linux only: elsewhere the numbers are `undefined`.
 */

/** Open files and sockets. */
export async function countOpenFiles(): Promise<number | undefined> {
  const folder = '/proc/self/fd';
  try {
    // The size of the folder is the number of open files since Linux 6.2, and 0 before.
    return statSync(folder).size || (await readdir(folder)).length;
  } catch {
    return undefined;
  }
}

/** The limit of open files. */
export function openFilesMax(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined || soft === 'unlimited' ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** The free space of a file system for programs that are not root, and its size. */
export interface DiskSpace {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

export async function readDiskSpace(folder: string): Promise<DiskSpace> {
  const { bsize, bavail, blocks } = await statfs(folder);
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
}
