import { readFileSync } from 'node:fs';
import { readdir, statfs } from 'node:fs/promises';

/** The open files of this process, sockets included, and their limit. Example: 412 of 65,536. */
export interface OpenFiles {
  readonly openFiles: number | null;
  readonly openFilesMax: number | null;
}

/** Reads `/proc`, which only Linux has; `null` elsewhere. */
export async function readOpenFiles(): Promise<OpenFiles> {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    const { length } = await readdir('/proc/self/fd');
    return { openFiles: length, openFilesMax: soft === undefined ? null : Number(soft) };
  } catch {
    return { openFiles: null, openFilesMax: null };
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
