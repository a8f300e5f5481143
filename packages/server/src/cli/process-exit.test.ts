import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('a process whose command has ended ends, although Node has lost a socket', async () => {
  expect(await outputOf(LOST_SOCKET)).toEqual({ stdout: 'reset EINVAL\n', stderr: '' });
});

test('a process whose command has ended ends, and names what was left open', async () => {
  expect(await outputOf(LEFT_OPEN)).toEqual({
    stdout: 'exit code 3\n',
    stderr: expect.stringMatching(/^the command has ended, and left open: .*TCPServerWrap.*\n$/),
  });
});

async function outputOf(code: string): Promise<object> {
  const program = `import { exitSoon } from ${JSON.stringify(join(import.meta.dirname, 'process-exit.ts'))};${code}`;
  return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
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
