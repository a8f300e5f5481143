import type { LoadedConfig } from '../../../../config/load.ts';
import type { ExitName } from '../../../exit-codes.ts';
import { ignoreBrokenPipes } from '../../../process-exit.ts';
import type { Hub } from '../../../../main.ts';
import type { ProcessPlace } from '../../../../processes/process-place.ts';
import type { Terminal } from '../../../terminal.ts';
import { CLOSE_TIME_MAX_MS, endInTime, FOLLOWER_CLOSE_TIME_MAX_MS } from '../end-in-time.ts';
import { startHubAt } from '../start-hub.ts';

/**
 * Runs one process of a hub of several, until the supervisor ends it. Signals reach all processes
 * of a terminal or a service at once, so only the supervisor obeys them.
 */
export async function runWorker(
  { config, origins }: LoadedConfig,
  place: WorkerPlace,
  loadConfig: () => Promise<LoadedConfig>,
  { notice }: Pick<Terminal, 'notice'>,
): Promise<ExitName> {
  for (const signal of IGNORED_SIGNALS) process.on(signal, () => undefined);
  ignoreBrokenPipes();
  // Without its supervisor nobody would replace a process that ends.
  const exit = (): never => process.exit(1);
  process.on('disconnect', exit);
  const drain = Promise.withResolvers<void>();
  const close = Promise.withResolvers<void>();
  let reload = (): unknown => undefined;
  process.on('message', (message: SupervisorMessage) => {
    if (message === 'drain') drain.resolve();
    else if (message === 'close') close.resolve();
    else reload();
  });
  const report = ({ url, port, firstKey }: Hub): void =>
    void process.send?.({ url, port, firstKey } satisfies ReadyMessage);
  try {
    const hub = await startHubAt(config, place.listen, { loadConfig, origins, place, onOpenedAgain: report });
    report(hub);
    reload = () => hub.reload();
    await drain.promise;
    const isOwner = place.role === 'owner';
    endInTime(hub.drainMs + (isOwner ? CLOSE_TIME_MAX_MS : FOLLOWER_CLOSE_TIME_MAX_MS), notice);
    process.send?.({ drainMs: hub.drainMs } satisfies DrainMessage);
    await hub.drain();
    // The owner ends last: the others still append.
    if (isOwner) await close.promise;
    await hub.close();
    return 'done';
  } finally {
    // Also after a start that failed: the channel to the supervisor alone would hold the process.
    process.off('disconnect', exit);
    process.disconnect?.();
  }
}

const IGNORED_SIGNALS = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGIO',
  'SIGPWR',
  'SIGXCPU',
  'SIGXFSZ',
] as const;

/** The variable in which a process of several finds its place. */
export const PLACE_VARIABLE = 'POLYCAST_PROCESS';

/** The place of a process, and the address that all of them share. */
export interface WorkerPlace extends ProcessPlace {
  readonly listen: string;
}

/** A command of the supervisor. A follower that has drained also closes. */
export type SupervisorMessage = 'drain' | 'close' | 'reload';

/** The report of a process to the supervisor that it listens. */
export interface ReadyMessage {
  readonly url: string;
  readonly port: number;
  readonly firstKey: string | undefined;
}

/** A process that begins to drain tells the supervisor how long that may take. */
export interface DrainMessage {
  readonly drainMs: number;
}

/** The place of this process; `undefined` where the hub has no others. */
export function workerPlace(environment: Readonly<Record<string, string | undefined>>): WorkerPlace | undefined {
  const text = environment[PLACE_VARIABLE];
  return text === undefined ? undefined : (JSON.parse(text) as WorkerPlace);
}
