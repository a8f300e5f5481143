import { setFlagsFromString } from 'node:v8';
import { storeCompileCache } from '../../../platform/compile-cache.ts';
import type { Config } from '../../../config/parse.ts';
import type { Hub } from '../../../main.ts';
import type { Refusal } from '../../../auth/refusal-log.ts';
import { formatListen, parseListen, type ListenAddress } from '../../../config/listen.ts';
import { CliError, type ExitName } from '../../exit-codes.ts';
import { portHolder } from '../../port-holder.ts';
import { installSignalHandlers } from './signals.ts';
import type { Terminal } from '../../terminal.ts';

/** The number of further ports to try when any port is acceptable. */
const PORTS_TRIED_MAX = 20;

/** The options of running a hub, beside its configuration. */
export interface RunHubOptions {
  readonly anyPort: boolean;
  /** Reads the configuration again, from the same sources. */
  readonly loadConfig: () => Promise<Config>;
  /** Prints the address as one JSON document, in the place of the lines for people. */
  readonly asJson: boolean;
  readonly greet?: (hub: Hub) => void;
  readonly onRefusal?: (refusal: Refusal) => void;
}

/**
 * Runs a hub until a signal stops it.
 * @param anyPort whether another port is acceptable when the configured one is taken
 * @param loadConfig reads the configuration again, for a reload
 * @param greet prints further lines once the hub listens, after the line with its address
 */
export async function runHub(
  config: Config,
  terminal: Terminal,
  { asJson, greet, ...options }: RunHubOptions,
): Promise<ExitName> {
  // Installed first: a signal while the log is being opened also ends the hub in order.
  const signals = installSignalHandlers(terminal);
  const { hub, movedFrom } = await start(config, options);
  if (asJson) terminal.out(JSON.stringify(startDocument(hub, config)));
  else {
    terminal.out(`Polycast listening on ${hub.url}`);
    if (movedFrom !== undefined) terminal.out(terminal.style('dim', `  ${movedFrom}`));
    greet?.(hub);
  }
  storeCompileCache();
  signals.onHangUp(() => void hub.reload());
  const signal = await signals.stop;
  terminal.notice(`${signal}: closing all sessions within ${config.drain.timeMs} ms; repeat to stop immediately`);
  await hub.drain();
  await hub.close();
  return 'done';
}

/** What a program that starts a hub needs. The first key is shown only once. */
function startDocument({ url, port, firstKey }: Hub, { data }: Config): object {
  return { url, port, pid: process.pid, data, firstKey: firstKey ?? null };
}

interface Started {
  readonly hub: Hub;
  /** Why the hub has another port than the configured one. */
  readonly movedFrom: string | undefined;
}

async function start(
  config: Config,
  { anyPort, loadConfig, onRefusal }: Omit<RunHubOptions, 'greet' | 'asJson'>,
): Promise<Started> {
  // A quiet hub runs each of its functions rarely, and V8 would interpret them for long. When they
  // are compiled immediately, an event on an idle hub costs a tenth less.
  setFlagsFromString('--always-sparkplug');
  const { prepareStorage } = await import('../../../storage/data-folder.ts');
  prepareStorage(config.data);
  const { startHub } = await import('../../../main.ts');
  const address = parseListen(config.listen) as ListenAddress;
  for (let portsTried = 0; ; portsTried++) {
    const listen = formatListen({ ...address, port: address.port + portsTried });
    try {
      const reread = async (): Promise<Config> => {
        const next = await loadConfig();
        // Another port than the configured one may be in use.
        return next.listen === config.listen ? { ...next, listen } : next;
      };
      const hub = await startHub({ ...config, listen }, { refused: onRefusal, loadConfig: reread });
      return { hub, movedFrom: portsTried === 0 ? undefined : inUse(address) };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && anyPort && portsTried < PORTS_TRIED_MAX) continue;
      throw startError(error, listen);
    }
  }
}

/** The address is in use, and by which process if the system says so. */
function inUse({ host, port }: ListenAddress): string {
  return `${formatListen({ host, port })} is in use by ${portHolder(port) ?? 'another program'}`;
}

function startError(error: unknown, listen: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new CliError(
      'failed',
      inUse(parseListen(listen) as ListenAddress),
      'Use another port with --port PORT (0 selects a free port)',
    );
  if (code === 'EACCES')
    return new CliError('failed', `permission to listen on ${listen} is denied: ${(error as Error).message}`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new CliError(
      'failed',
      `${listen} is not an address of this machine`,
      'For all addresses, use 0.0.0.0:PORT or [::]:PORT',
    );
  }
  return error;
}
