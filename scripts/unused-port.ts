import { createServer } from 'node:net';

/** Below the kernel's range of ephemeral ports. */
const PORT_MIN = 20_000;
/**
 * A port is free until its program listens.
 * So test processes that run side by side take theirs from separate ranges.
 */
const PORTS_OF_PROCESS = 1000;
const PROCESSES = 10;

const firstPort = PORT_MIN + (Number(process.env['VITEST_POOL_ID'] ?? 0) % PROCESSES) * PORTS_OF_PROCESS;
/** Two runs on one machine rarely begin at the same port. */
let taken = Math.floor(Math.random() * PORTS_OF_PROCESS);

/**
 * A port of 127.0.0.1 for a program that needs one as an argument. No other test uses it meanwhile.
 * A client that connects too early is refused, and is never connected to itself.
 */
export async function unusedPort(): Promise<number> {
  for (let tries = 0; tries < PORTS_OF_PROCESS; tries++) {
    const port = firstPort + (taken++ % PORTS_OF_PROCESS);
    if (await isFree(port)) return port;
  }
  throw new Error('there is no free port');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .on('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
