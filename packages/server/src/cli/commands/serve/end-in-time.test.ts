import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('a process whose hub has closed ends, although Node has lost a socket', async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  expect([stdout, stderr]).toEqual(['reset EINVAL\n', '']);
});

const PROGRAM = `
  import { connect, createServer } from 'node:net';
  import { endSoon } from ${JSON.stringify(join(import.meta.dirname, 'end-in-time.ts'))};
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('error', ({ message }) => console.log(message)).end();
    process.nextTick(() => socket.resetAndDestroy());
    server.close();
    endSoon(console.error);
  });
  server.listen(0, '127.0.0.1', () => connect(server.address().port, '127.0.0.1').resume());
`;
