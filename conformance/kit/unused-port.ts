import { createServer } from 'node:net';

/** Below the kernel's range of ephemeral ports. */
const PORT_MIN = 20_000;
const PORTS = 10_000;

/**
 * A port of 127.0.0.1 for a program that needs one as an argument. No other test uses it meanwhile.
 * A client that connects too early is refused, and is never connected to itself.
 */
export async function unusedPort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * PORTS);
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
