import { createServer } from 'node:net';

/** Below the range from which the kernel takes a port by itself. */
const PORT_MIN = 20_000;
const PORTS = 10_000;

/**
 * A port of 127.0.0.1 for a program that has to be told one: it stays free until that listens,
 * however many tests run beside it, and whoever tries it before then is refused, and never
 * connected to itself.
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
