import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Always the sources: a test looks at which of their modules are loaded. */
const COMMAND = join(import.meta.dirname, '../cli/polycast.ts');
const SETTINGS = ['data=:memory:', 'access=loopback', 'logging.format=json', 'drain.timeMs=0'];

/** A hub in a process of its own. */
export interface HubProcess {
  readonly url: string;
  post(path: string, body: object, headers?: Readonly<Record<string, string>>): Promise<Record<string, unknown>>;
  /** Ends it, and resolves when it has exited. */
  stop(): Promise<void>;
}

/** @param nodeOptions options of Node, before the command */
export async function startHubProcess(
  environment: Readonly<Record<string, string>>,
  nodeOptions: readonly string[] = [],
): Promise<HubProcess> {
  const settings = SETTINGS.flatMap((text) => ['--set', text]);
  const hub = spawn(process.execPath, [...nodeOptions, COMMAND, 'serve', '--port', '0', ...settings], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(hub, 'exit');
  const stop = async (): Promise<void> => {
    hub.kill('SIGTERM');
    await exited;
  };
  onTestFinished(stop);
  const url = await listeningUrl(hub.stderr);
  return {
    url,
    stop,
    async post(path, body, headers = {}) {
      const answer = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(await answer.text());
      return (await answer.json()) as Record<string, unknown>;
    },
  };
}

function listeningUrl(log: NodeJS.ReadableStream): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  log.on('data', (chunk) => {
    text += String(chunk);
    const url = /"url":"(http:[^"]+)"[^\n]*listening/.exec(text)?.[1];
    if (url !== undefined) resolve(url);
  });
  log.on('end', () => reject(new Error(`the hub has ended: ${text}`)));
  return promise;
}
