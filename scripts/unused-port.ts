import { createServer, type Server } from 'node:net';

/** Below the kernel's range of ephemeral ports. */
const PORT_MIN = 20_000;
/**
 * A port is free until its program listens, and while it starts again. So each process takes its
 * ports from a range of its own, and holds the first port of the range until it ends.
 */
const PORTS_OF_PROCESS = 250;
const PROCESSES = 48;

let range: Promise<number> | undefined;
/** A port that was used last may still have connections that end. So a process begins anywhere. */
let taken = Math.floor(Math.random() * PORTS_OF_PROCESS);

/**
 * A port of 127.0.0.1 for a program that needs one as an argument. No other test uses it meanwhile.
 * A client that connects too early is refused, and is never connected to itself.
 */
export async function unusedPort(): Promise<number> {
  const first = await (range ??= takeRange());
  for (let tries = 0; tries < PORTS_OF_PROCESS; tries++) {
    const port = first + (taken++ % PORTS_OF_PROCESS);
    const server = await listenAt(port);
    if (server === undefined) continue;
    await new Promise((resolve) => void server.close(resolve));
    return port;
  }
  throw new Error('there is no free port');
}

/** The first port of a range that no other process has. */
async function takeRange(): Promise<number> {
  for (let index = 0; index < PROCESSES; index++) {
    const port = PORT_MIN + index * PORTS_OF_PROCESS;
    const held = await listenAt(port);
    if (held === undefined) continue;
    held.unref();
    return port;
  }
  throw new Error(`${PROCESSES} processes have all ports`);
}

/** @returns `undefined` if a program has the port */
function listenAt(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
      .on('error', () => resolve(undefined))
      .listen(port, '127.0.0.1', () => resolve(server));
  });
}
