import { Worker } from 'node:worker_threads';
import { EXIT_CODES } from '../../exit-codes.ts';

/**
 * The time that a hub has to close, beside its drain. With the default drain it ends a moment
 * before Kubernetes kills it. A process that is killed loses nothing that was acknowledged.
 */
export const CLOSE_TIME_MAX_MS = 18_000;
/** A follower has less to close. The owner closes after it, in the rest of the time. */
export const FOLLOWER_CLOSE_TIME_MAX_MS = 12_000;
/** The time to say why, and to exit where a process cannot kill itself. */
const NOTICE_TIME_MS = 1_000;

type Notice = (line: string) => void;

/** The hub has to end. Its process is killed after this time, whatever it waits for. */
export function endInTime(timeMaxMs: number, notice: Notice): void {
  setTimeout(() => {
    notice(`the hub has not closed within ${timeMaxMs} ms, and is killed`);
    // The first process of a container cannot kill itself.
    setTimeout(() => process.exit(EXIT_CODES.failed.code), 2 * NOTICE_TIME_MS).unref();
  }, timeMaxMs).unref();
  killIn(timeMaxMs + NOTICE_TIME_MS);
}

/**
 * A thread kills the process. The main thread may stand still in a call to a disk. An exit would
 * wait for threads that do.
 */
function killIn(ms: number): void {
  try {
    const worker = new Worker(KILLER, { eval: true, execArgv: [], workerData: ms });
    worker.on('error', () => undefined);
    worker.unref();
  } catch {
    // The system has no room for a thread. The notice and the exit remain.
  }
}

const KILLER = `
  const { workerData: ms } = require('node:worker_threads');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  process.kill(process.pid, 'SIGKILL');
`;
