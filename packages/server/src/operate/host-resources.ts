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

/** Files that a hub needs besides those of its clients: log, threads, certificates, pipes. */
export const OWN_FILES = 200;

/**
 * How many connections of clients the limit of open files has room for. Example: of 20,000 files,
 * 200 are for the hub itself, and a sixth of the rest for webhooks. So 16,500 clients can connect.
 * With more of them, the hub could not open its own files or reach an endpoint.
 * @param limit the limit of open files; `undefined` where the system does not tell
 * @param outgoingMax `outgoing.connectionsMax`
 */
export function connectionsWithin(limit: number | undefined, outgoingMax: number): number {
  if (limit === undefined) return Infinity;
  // A limit that is too low for a hub leaves most of it to clients all the same.
  const others = limit - Math.min(OWN_FILES, Math.floor(limit / 4));
  return Math.max(1, others - Math.min(outgoingMax, Math.floor(others / 6)));
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
