import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatListen, parseListen, type ListenAddress } from '../../../../config/listen.ts';
import type { Config } from '../../../../config/parse.ts';
import { createLogger } from '../../../../operate/logger.ts';
import { storeCompileCache } from '../../../../platform/compile-cache.ts';
import { CliError, exitNameOf, type ExitName } from '../../../exit-codes.ts';
import type { Terminal } from '../../../terminal.ts';
import { CLOSE_TIME_MAX_MS } from '../end-in-time.ts';
import { listenError } from '../start-hub.ts';
import { installSignalHandlers } from '../signals.ts';
import { Supervisor } from './supervisor.ts';
import type { ReadyMessage } from './run-worker.ts';

/** The processes of a hub: the number of the setting, or the processor cores. */
export function processCount({ processes }: Pick<Config, 'processes'>): number {
  return processes === 'auto' ? availableParallelism() : processes;
}

/** Prints what a person needs to know of a hub of several processes. */
export interface Greeting {
  /** The address, and the first key if there is one. */
  listening(ready: ReadyMessage, pids: readonly number[]): void;
  /** The owner has opened again, or another one has. It may have another first key. */
  openedAgain(ready: ReadyMessage): void;
}

/** Runs a hub of several processes until a signal stops it. This process only supervises. */
export async function runProcesses(config: Config, terminal: Terminal, greeting: Greeting): Promise<ExitName> {
  if (process.platform !== 'linux')
    throw new CliError(
      'failed',
      `processes: ${config.processes} needs Linux: only its kernel spreads connections over several processes`,
      'Use processes: 1',
    );
  const signals = installSignalHandlers(terminal);
  const address = parseListen(config.listen) as ListenAddress;
  await checkPort(address, config.listen);
  const folder = mkdtempSync(join(tmpdir(), 'polycast-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  let isListening = false;
  let firstKey: string | undefined;
  const supervisor = new Supervisor({
    count: processCount(config),
    listen: config.listen,
    folder,
    logger: createLogger(config.logging.level, config.logging.format),
    listenAt: (port) => formatListen({ ...address, port }),
    onOpenedAgain(ready) {
      if (isListening) greeting.openedAgain(ready);
      else firstKey = ready.firstKey ?? firstKey;
    },
  });
  void signals.stop.then(() => supervisor.endStart(config.drain.timeMs + CLOSE_TIME_MAX_MS));
  const owner = await Promise.race([supervisor.startOwner(), supervisor.failed]);
  if (typeof owner === 'number') return exitNameOf(owner);
  await Promise.race([supervisor.startFollowers(), supervisor.failed, signals.stop]);
  // Also after a signal or a failure: the first key is shown now or never.
  isListening = true;
  greeting.listening({ ...owner, firstKey: firstKey ?? owner.firstKey }, supervisor.pids);
  storeCompileCache();
  signals.onHangUp(() => supervisor.reload());
  const ended = await Promise.race([signals.stop, supervisor.failed]);
  if (typeof ended === 'string')
    terminal.notice(`${ended}: closing all sessions within ${config.drain.timeMs} ms; repeat to stop immediately`);
  const haveEnded = await supervisor.stop(config.drain.timeMs);
  return typeof ended === 'string' && haveEnded ? 'done' : 'failed';
}

/**
 * Refuses a port that another program has. The processes share theirs, and would share it with
 * another hub of the same user as well.
 */
async function checkPort({ host, port }: ListenAddress, listen: string): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, exclusive: true }, resolve);
    });
  } catch (error) {
    throw listenError(error, listen);
  }
  await new Promise<void>((resolve) => void server.close(() => resolve()));
}
