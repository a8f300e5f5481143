import { storeCompileCache } from '../../../platform/compile-cache.ts';
import type { LoadedConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/parse.ts';
import type { Hub } from '../../../main.ts';
import type { Refusal } from '../../../auth/refusal-log.ts';
import { formatListen, parseListen, type ListenAddress } from '../../../config/listen.ts';
import type { ExitName } from '../../exit-codes.ts';
import { pasteable } from '../../pasteable.ts';
import { CLOSE_TIME_MAX_MS, endInTime } from './end-in-time.ts';
import { installSignalHandlers } from './signals.ts';
import { AddressInUseError, inUse, startHubAt, type StartHubOptions } from './start-hub.ts';
import type { Terminal } from '../../terminal.ts';

/** The number of further ports to try when any port is acceptable. */
const PORTS_TRIED_MAX = 20;

/** The options of running a hub, beside its configuration. */
export interface RunHubOptions {
  readonly anyPort: boolean;
  /** Where each field of the configuration was set. */
  readonly origins: LoadedConfig['origins'];
  /** Reads the configuration again, from the same sources. */
  readonly loadConfig: () => Promise<LoadedConfig>;
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
  const onOpenedAgain = ({ firstKey }: Hub): void => showFirstKey(firstKey, terminal);
  let drainMs = (): number => config.drain.timeMs;
  void signals.stop.then(() => endInTime(drainMs() + CLOSE_TIME_MAX_MS, terminal.notice));
  const { hub, movedFrom } = await start(config, { ...options, ...(!asJson && { onOpenedAgain }) });
  drainMs = () => hub.drainMs;
  if (asJson) terminal.out(JSON.stringify(startDocument(hub, config)));
  else {
    terminal.out(`Polycast listening on ${hub.url}`);
    if (movedFrom !== undefined) terminal.out(terminal.style('dim', `  ${movedFrom}`));
    greet?.(hub);
    showFirstKey(hub.firstKey, terminal);
  }
  storeCompileCache();
  signals.onHangUp(() => void hub.reload());
  const signal = await signals.stop;
  terminal.notice(`${signal}: closing all sessions within ${hub.drainMs} ms; repeat to stop immediately`);
  await hub.drain();
  await hub.close();
  return 'done';
}

/**
 * Prints the first key: without it a new hub cannot be used. The key has a line of its own, so that
 * a double click selects all of it.
 */
export function showFirstKey(key: string | undefined, { out, style }: Terminal): void {
  if (key === undefined) return;
  out('');
  out(style('bold', 'The first key, with all permissions. It is shown only once. Store it with your other secrets:'));
  out('');
  out(key);
  out('');
  out(
    style(
      'dim',
      pasteable(
        'Use it as POLYCAST_KEY, or as Authorization: Bearer. For keys with fewer permissions: polycast keys create --help',
      ),
    ),
  );
}

/** What a program that starts a hub needs. The first key is shown only once. */
export function startDocument(
  { url, port, firstKey }: Pick<Hub, 'url' | 'port' | 'firstKey'>,
  { data }: Config,
): object {
  return { url, port, pid: process.pid, data, firstKey: firstKey ?? null };
}

interface Started {
  readonly hub: Hub;
  /** Why the hub has another port than the configured one. */
  readonly movedFrom: string | undefined;
}

async function start(
  config: Config,
  { anyPort, ...options }: Omit<RunHubOptions, 'greet' | 'asJson'> & Pick<StartHubOptions, 'onOpenedAgain'>,
): Promise<Started> {
  const address = parseListen(config.listen) as ListenAddress;
  for (let portsTried = 0; ; portsTried++) {
    const listen = formatListen({ ...address, port: address.port + portsTried });
    try {
      const hub = await startHubAt(config, listen, options);
      return { hub, movedFrom: portsTried === 0 ? undefined : inUse(address) };
    } catch (error) {
      if (error instanceof AddressInUseError && anyPort && portsTried < PORTS_TRIED_MAX) continue;
      throw error;
    }
  }
}
