import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

test('a process whose command has ended ends, although Node has lost a socket', async () => {
  expect(await outputOf(LOST_SOCKET)).toEqual({ stdout: 'reset EINVAL\n', stderr: '' });
});

test('a process whose command has ended ends, and names what was left open', async () => {
  expect(await outputOf(LEFT_OPEN)).toEqual({
    stdout: 'exit code 3\n',
    stderr: expect.stringMatching(/^the command has ended, and left open: .*TCPServerWrap.*\n$/),
  });
});

test('a process that stands still ends without a complaint', async () => {
  expect(await outputOf(STANDSTILL)).toEqual({ stdout: '', stderr: '' });
});

test('a process whose command has ended waits until its output is read', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', programOf(MUCH_OUTPUT)]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'close');
  child.stderr.pause();
  child.stdout.setEncoding('utf8');
  await once(child.stdout, 'data');
  child.stdout.pause();
  await setTimeout(4_000);
  let [out, err] = [0, 0];
  child.stdout.on('data', (text: string) => (out += text.length)).resume();
  child.stderr.on('data', (bytes: Buffer) => (err += bytes.length)).resume();
  await ended;
  expect([out > 3_000_000, err > 4_000_000]).toEqual([true, true]);
});

async function outputOf(code: string): Promise<object> {
  return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', programOf(code)], {
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
}

function programOf(code: string): string {
  return `import { exitSoon } from ${JSON.stringify(join(import.meta.dirname, 'process-exit.ts'))};${code}`;
}

const LOST_SOCKET = `
  import { connect, createServer } from 'node:net';
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('error', ({ message }) => console.log(message)).end();
    process.nextTick(() => socket.resetAndDestroy());
    server.close();
    exitSoon(console.error);
  });
  server.listen(0, '127.0.0.1', () => connect(server.address().port, '127.0.0.1').resume());
`;

const LEFT_OPEN = `
  import { createServer } from 'node:net';
  createServer().listen(0, '127.0.0.1');
  process.on('exit', (code) => {
    console.log('exit code', code);
    process.exitCode = 0;
  });
  process.exitCode = 3;
  exitSoon(console.error);
`;

const STANDSTILL = `
  import { stat } from 'node:fs';
  stat('.', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000));
  exitSoon(console.error);
`;

const MUCH_OUTPUT = `
  process.stdout.write('a'.repeat(4_000_000));
  process.stderr.write('b'.repeat(4_000_000));
  setInterval(() => undefined, 60_000);
  exitSoon(console.error);
`;
