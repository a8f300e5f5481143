import { EXIT_CODES } from '../../exit-codes.ts';

/**
 * The time that a hub has to close, beside its drain. Together, by default, that is what container
 * engines wait before they kill it. A process that is ended loses nothing that was acknowledged.
 */
export const CLOSE_TIME_MAX_MS = 20_000;
/** A process with nothing left to do ends by itself, at once. */
const IDLE_TIME_MS = 1_000;

type Notice = (line: string) => void;

/** The hub has to end. The process ends in bounded time, whatever the hub waits for. */
export function endInTime(drainMs: number, notice: Notice): void {
  setTimeout(() => {
    notice(`the hub has not closed within ${drainMs + CLOSE_TIME_MAX_MS} ms, and is killed`);
    // An exit waits for threads, and one may wait for a disk that stands still.
    process.kill(process.pid, 'SIGKILL');
    // The first process of a container cannot kill itself.
    process.exit(EXIT_CODES.failed.code);
  }, drainMs + CLOSE_TIME_MAX_MS).unref();
}

/** The hub has closed. The process ends, also if something was left open. */
export function endSoon(notice: Notice): void {
  setTimeout(() => {
    notice(`the hub has closed, and left open: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit();
  }, IDLE_TIME_MS).unref();
}
