import { ignoreBrokenPipes } from '../../broken-pipe.ts';
import type { Terminal } from '../../terminal.ts';

/** Ends it, in order. */
const STOPPING = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/**
 * Of other programs these ask for something: to write a log anew, to tell of themselves, to open a debugger (Node, by SIGUSR1); or they
 * say that a bound of the system is reached, which the failed write says as well (SIGXFSZ). Whoever sends one to a hub means no harm, and
 * the default of most is to end the process on the spot.
 */
const IGNORED = ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR', 'SIGXCPU', 'SIGXFSZ'] as const;

export interface Signals {
  /** Settles with the first signal that ends it. The second one ends the process. */
  readonly stop: Promise<NodeJS.Signals>;
  /** From now on SIGHUP does this. Before, and where there is nothing to do, it is ignored. */
  onHangUp(reload: () => void): void;
}

/** Hears every signal that would end the process, from now on. */
export function installSignalHandlers(terminal: Terminal): Signals {
  const { promise: stop, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let isStopping = false;
  let reload: (() => void) | undefined;
  const end = (signal: NodeJS.Signals): void => {
    if (isStopping) process.exit(130);
    isStopping = true;
    resolve(signal);
  };
  for (const signal of STOPPING) process.on(signal, end);
  for (const signal of IGNORED)
    process.on(signal, () => terminal.notice(`${signal} ignored: SIGTERM and SIGINT end the hub in order`));
  process.on('SIGHUP', () => {
    if (reload !== undefined) return reload();
    // The terminal has gone, and with it whoever started the hub there.
    if (terminal.isInteractive && !isStopping) return end('SIGHUP');
    terminal.notice(
      'SIGHUP ignored: there is no certificate to read again, and all else of the configuration takes a restart',
    );
  });
  ignoreBrokenPipes();
  return { stop, onHangUp: (given) => void (reload = given) };
}
