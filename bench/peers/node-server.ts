// Peers that are small Node servers of this bench: files in servers/, with the port as the first
// argument.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { benchFolder } from '../harness/folders.ts';
import { acceptsConnections, freePort, serverCore, startPinned, waitUntilReady } from '../harness/processes.ts';
import type { RunningServer } from './peer.ts';

export async function startNodeServer(fileName: string, ...words: string[]): Promise<RunningServer> {
  const port = await freePort();
  const file = join(benchFolder, 'peers', 'servers', fileName);
  const server = startPinned([process.execPath, file, String(port), ...words], {
    core: serverCore,
    environment: { NODE_ENV: 'production' },
  });
  await waitUntilReady(server, () => acceptsConnections(port));
  return { port, process: server };
}

export function packageMissing(name: string): string | undefined {
  return packageFile(name) === undefined ? `the npm package ${name} is not installed` : undefined;
}

export function packageVersion(name: string): string {
  const file = packageFile(name);
  const { version } =
    file === undefined ? { version: '?' } : (JSON.parse(readFileSync(file, 'utf8')) as { version: string });
  return `${name} ${version}, Node ${process.versions.node}`;
}

function packageFile(name: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(`${name}/package.json`);
  } catch {
    return undefined;
  }
}
