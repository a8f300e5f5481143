import { setTimeout as delay } from 'node:timers/promises';
import { PolycastError } from '@polycast/protocol';
import type { Config } from './config/parse.ts';
import { DataFolderError } from './core/data-folder-error.ts';
import { openHub, type Hub } from './hub.ts';
import { createLogger } from './operate/logger.ts';
import { ReopenedHub, type StartParts } from './reopened-hub.ts';

export type { Hub } from './hub.ts';

/**
 * Starts a hub, with the Lab if it is enabled in the configuration.
 * @throws DataFolderError, or the error of `listen` (`EADDRINUSE`, …)
 */
export async function startHub(config: Config, parts: StartParts = {}): Promise<Hub> {
  if (config.lab.enabled) {
    const { HubWithLab } = await import('./hub-with-lab.ts');
    return new HubWithLab(config, parts).open();
  }
  // The owner alone knows the cluster. Its followers follow the owner.
  const isInCluster = config.cluster.nats.length > 0 && parts.place?.role !== 'follower';
  return isInCluster ? new ClusterHub(config, parts).open() : openHub(config, parts);
}

/** The wait between two attempts of a hub of a cluster to open again. */
const REOPEN_WAIT_MS = 1_000;
/** What lasts for this long needs an operator, who notices an ended process. */
const REOPEN_DEADLINE_MS = 300_000;

/**
 * A hub of a cluster. It opens again when the history of its log was replaced, and then has a new
 * epoch, a new tail and new readers. Clients reconnect, and receive the gap.
 *
 * Until it can open, it tries again, each time at any of the brokers. Example: its broker was cut
 * off from the others, which made the hub silent. If it cannot close or open after
 * `REOPEN_DEADLINE_MS`, the process ends, and its supervisor starts it again. It ends at once if
 * another attempt cannot help.
 */
class ClusterHub extends ReopenedHub {
  #opening: Promise<void> = Promise.resolve();
  #isClosing = false;

  async open(): Promise<Hub> {
    this.#opening = this.openFirst();
    await this.#opening;
    return this;
  }

  async drain(): Promise<void> {
    this.#isClosing = true;
    await this.#opening;
    await this.hub?.drain();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#opening;
    await this.hub?.close();
  }

  /** @throws DataFolderError also when the log ends or cannot be reached meanwhile */
  protected async openAt(listen: string): Promise<Hub> {
    try {
      return await openHub({ ...this.config, listen }, { ...this.parts, onReset: () => this.#reset() });
    } catch (error) {
      if (!(error instanceof PolycastError)) throw error;
      throw new DataFolderError('inaccessible', `the cluster cannot be used: ${error.message}`, { cause: error });
    }
  }

  /** If a part of it does not close, the process is killed: an exit would wait for its threads. */
  async #closeHub(): Promise<void> {
    const timer = setTimeout(() => {
      const { level, format } = this.config.logging;
      createLogger(level, format).error({}, 'cluster: this hub cannot open again, because a part of it does not close');
      process.kill(process.pid, 'SIGKILL');
    }, REOPEN_DEADLINE_MS);
    timer.unref();
    try {
      await this.hub?.close();
    } finally {
      clearTimeout(timer);
    }
  }

  #reset(): void {
    this.#opening = this.#opening.then(() => this.#restart());
  }

  async #restart(): Promise<void> {
    if (this.#isClosing) return;
    await this.#closeHub();
    const endMs = performance.now() + REOPEN_DEADLINE_MS;
    while (!this.#isClosing) {
      try {
        return await this.openAgain();
      } catch (error) {
        const needsOperator = error instanceof DataFolderError && error.reason !== 'inaccessible';
        if (needsOperator || performance.now() >= endMs) throw error;
        const { level, format } = this.config.logging;
        const { message } = error as Error;
        createLogger(level, format).warn({ error: message }, 'cluster: this hub cannot open yet, trying again');
        await delay(REOPEN_WAIT_MS);
      }
    }
  }
}
