import { closeSync, openSync } from 'node:fs';
import { ignoreBrokenPipes } from '../../process-exit.ts';
import { EXIT_CODES } from '../../exit-codes.ts';
import type { Terminal } from '../../terminal.ts';

/** Signals that end the hub in order. */
const STOPPING = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/**
 * Signals that a hub ignores. To other programs they are requests: to reopen a log, to report their
 * state, or to open a debugger (Node, by SIGUSR1). Others report that a limit of the system is
 * reached; the failed write reports that as well (SIGXFSZ). A sender of these intends no harm, and
 * the default of most is to end the process immediately.
 */
const IGNORED = ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR', 'SIGXCPU', 'SIGXFSZ'] as const;

export interface Signals {
  /** Settles with the first signal that ends the hub. A second one ends the process immediately. */
  readonly stop: Promise<NodeJS.Signals>;
  /**
   * Sets the action of SIGHUP. When the terminal of the hub is closed, SIGHUP ends the hub instead.
   */
  onHangUp(reload: () => void): void;
}

/** Handles every signal that would end the process, from now on. */
export function installSignalHandlers(terminal: Terminal): Signals {
  const { promise: stop, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let isStopping = false;
  let reload: (() => void) | undefined;
  const end = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      // An exit waits for threads, and one may wait for a disk. Then one more signal ends the hub.
      for (const each of STOPPING) process.off(each, end);
      process.exit(EXIT_CODES.interrupted.code);
    }
    isStopping = true;
    resolve(signal);
  };
  for (const signal of STOPPING) process.on(signal, end);
  for (const signal of IGNORED)
    process.on(signal, () => terminal.notice(`${signal} ignored: use SIGTERM or SIGINT to stop the hub`));
  process.on('SIGHUP', () => {
    if (terminal.isInteractive && !isStopping && isTerminalClosed()) return end('SIGHUP');
    if (reload !== undefined) return reload();
    terminal.notice('SIGHUP ignored: the hub is still starting');
  });
  ignoreBrokenPipes();
  return { stop, onHangUp: (given) => void (reload = given) };
}

/**
 * Whether the user has closed the terminal that the hub runs in. It can no longer be opened then.
 */
function isTerminalClosed(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}
