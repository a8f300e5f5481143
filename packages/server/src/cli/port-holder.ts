import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** The state `LISTEN` in /proc/net/tcp. */
const LISTEN = '0A';

/**
 * Describes the process that listens on a TCP port: `process 1234 (node server.js)`. Returns
 * `undefined` on systems without /proc, and for processes of other users, whose sockets only root
 * sees.
 */
export function portHolder(port: number): string | undefined {
  const sockets = listeningSockets(port);
  if (sockets.size === 0) return undefined;
  const processes = entries('/proc').filter((name) => /^\d+$/.test(name));
  const pid = processes.find((each) =>
    entries(`/proc/${each}/fd`).some((descriptor) => sockets.has(link(`/proc/${each}/fd/${descriptor}`))),
  );
  return pid === undefined ? undefined : `process ${pid} (${programOf(pid)})`;
}

/** The links of descriptors to the sockets that listen on a port: `socket:[4711]`. */
function listeningSockets(port: number): ReadonlySet<string> {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => text(file).split('\n').slice(1));
  return new Set(
    lines.flatMap((line) => {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      return local.endsWith(ending) && state === LISTEN ? [`socket:[${inode}]`] : [];
    }),
  );
}

/** A program and its first argument alone: others may hold secrets. */
function programOf(pid: string): string {
  const [program = '', argument = ''] = text(`/proc/${pid}/cmdline`).split('\0');
  return [basename(program), argument.startsWith('-') ? '' : basename(argument)].join(' ').trim();
}

function entries(folder: string): readonly string[] {
  return readOr(() => readdirSync(folder), []);
}

function text(file: string): string {
  return readOr(() => readFileSync(file, 'utf8'), '');
}

function link(path: string): string {
  return readOr(() => readlinkSync(path), '');
}

/** Processes end while their files are read. */
function readOr<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
