import { setFlagsFromString } from 'node:v8';
import { formatListen, parseListen, type ListenAddress } from '../../../config/listen.ts';
import type { LoadedConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/parse.ts';
import type { Hub } from '../../../main.ts';
import type { Refusal } from '../../../auth/refusal-log.ts';
import type { ProcessPlace } from '../../../processes/process-place.ts';
import { returnQuietMemory } from '../../../platform/quiet-memory.ts';
import { prepareStorage } from '../../../storage/prepare-storage.ts';
import { CliError } from '../../exit-codes.ts';
import { portHolder } from '../../port-holder.ts';

export interface StartHubOptions {
  /** Reads the configuration again, from the same sources. */
  readonly loadConfig: () => Promise<LoadedConfig>;
  /** Where each field of the configuration was set. */
  readonly origins: LoadedConfig['origins'];
  readonly onRefusal?: ((refusal: Refusal) => void) | undefined;
  /** Called when the hub was closed and opened again. It may have another first key. */
  readonly onOpenedAgain?: (hub: Hub) => void;
  /** This process, if the hub has several. */
  readonly place?: ProcessPlace;
}

/**
 * Starts a hub at an address, which may differ from the configured one.
 * @throws CliError when it cannot listen there
 */
export async function startHubAt(
  config: Config,
  listen: string,
  { loadConfig, onRefusal, onOpenedAgain, place, ...options }: StartHubOptions,
): Promise<Hub> {
  // A quiet hub runs each of its functions rarely, and V8 would interpret them for long. When they
  // are compiled immediately, an event on an idle hub costs a tenth less.
  setFlagsFromString('--always-sparkplug');
  // When many clients connect at once, V8 compiles some hundred functions. Without this, a thread
  // that waits for the processor frees their memory, and 6 to 10 MB more stay with the process.
  setFlagsFromString('--no-maglev-destroy-on-background');
  // A view of a cluster has another thread, and a follower has none.
  if (config.cluster.nats.length === 0 && place?.role !== 'follower') prepareStorage(config.data);
  const { startHub } = await import('../../../main.ts');
  let { origins } = options;
  const reread = async (): Promise<Config> => {
    const loaded = await loadConfig();
    ({ origins } = loaded);
    const { config: next } = loaded;
    return next.listen === config.listen ? { ...next, listen } : next;
  };
  try {
    const hub = await startHub(
      { ...config, listen },
      { refused: onRefusal, loadConfig: reread, origins: () => origins, place, onOpenedAgain },
    );
    returnQuietMemory();
    return hub;
  } catch (error) {
    throw listenError(error, listen);
  }
}

/** The address is in use, and by which process if the system says so. */
export function inUse({ host, port }: ListenAddress): string {
  return `${formatListen({ host, port })} is in use by ${portHolder(port) ?? 'another program'}`;
}

/** The message for people of an error of `listen`; any other error is returned as it is. */
export function listenError(error: unknown, listen: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new AddressInUseError(
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

/** Another port may be free. */
export class AddressInUseError extends CliError {}
