import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

test("the README's command starts a hub with its Lab and its client", async () => {
  const npm = spawn('npm', ['start', '--', '--listen', '127.0.0.1:0', '--data', ':memory:'], {
    cwd: ROOT,
    // A process group, because npm's shell does not forward signals.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    process.kill(-(npm.pid as number), 'SIGTERM');
    if (npm.exitCode === null && npm.signalCode === null) await once(npm, 'exit');
  });
  const url = await listeningUrl(npm.stdout);
  for (const path of ['/readyz', '/lab', '/client.js']) expect((await fetch(url + path)).status, path).toBe(200);
});

function listeningUrl(out: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    out.on('data', (piece) => {
      text += String(piece);
      const url = /^Polycast listening on (\S+)$/m.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    });
    out.on('end', () => reject(new Error(`it ended: ${text}`)));
  });
}
