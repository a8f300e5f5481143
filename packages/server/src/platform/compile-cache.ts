import { mkdirSync, statSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isSea } from 'node:sea';

/**
 * The compile cache is a folder with the bytecode of modules, which Node.js writes. A start that
 * finds it compiles nothing, and strips no types from sources. Example: `~/.cache/polycast` holds
 * 2 MB after the first start.
 *
 * Bytecode runs as it is, so no other user may write there: the temporary folder, where Node.js
 * would put it, does not qualify. Without such a folder the start is slower, and all else is equal.
 */
export function useCompileCache(): void {
  // A single executable has its bytecode inside.
  if (isSea()) return;
  // Node.js has enabled it already, or shall not.
  if (process.env['NODE_COMPILE_CACHE'] !== undefined || process.env['NODE_DISABLE_COMPILE_CACHE'] !== undefined)
    return;
  const folder = privateCacheFolder();
  if (folder === undefined) return;
  enableCompileCache(folder);
  // Threads take it from here.
  process.env['NODE_COMPILE_CACHE'] = folder;
}

/**
 * Writes what has been compiled so far. Without this call, Node.js writes it at the end of the
 * process, which may not come for months.
 */
export function storeCompileCache(): void {
  flushCompileCache();
}

function privateCacheFolder(): string | undefined {
  try {
    const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'polycast');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(folder);
    const isOwn = process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
    return isOwn ? folder : undefined;
  } catch {
    return undefined;
  }
}
