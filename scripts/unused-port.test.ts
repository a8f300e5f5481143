import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

test('processes that run at the same time take no port of each other, although nobody listens there', async () => {
  const [some, others] = await Promise.all([takenByProcess(), takenByProcess()]);
  expect(some).toHaveLength(PORTS);
  expect(others.filter((port) => some.includes(port))).toEqual([]);
});

const PORTS = 240;

/** The ports that a process takes. It runs until the test ends. */
async function takenByProcess(): Promise<readonly number[]> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  while (!text.endsWith('\n')) await once(child.stdout, 'data');
  return JSON.parse(text) as readonly number[];
}

const PROGRAM = `
  import { unusedPort } from ${JSON.stringify(join(import.meta.dirname, 'unused-port.ts'))};
  const ports = [];
  for (let count = 0; count < ${PORTS}; count++) ports.push(await unusedPort());
  console.log(JSON.stringify(ports));
  process.stdin.resume();
`;
