import { setTimeout as delay } from 'node:timers/promises';
import { PolycastError } from '@polycast/protocol';
import { formatListen, parseListen, trustsLoopback, type ListenAddress } from './config/listen.ts';
import type { Config } from './config/parse.ts';
import { DataFolderError } from './core/data-folder-error.ts';
import { openHub, type Hub, type HubParts } from './hub.ts';
import { createLab, type Lab } from './lab/lab.ts';
import { documentation } from './lab/documentation.ts';
import { LabLogin, TOWN_CHANNEL } from './lab/login.ts';
import { createLogger } from './operate/logger.ts';
import { wipeLog } from './storage/stopped-hub.ts';
import { assetPath } from './platform/package-files.ts';
import type { Route } from './auth/route.ts';
import type { RequestHandler } from './http/route.ts';

export type { Hub } from './hub.ts';

interface StartParts extends Pick<HubParts, 'refused' | 'loadConfig' | 'origins' | 'place'> {
  /** Called when the hub was closed and opened again. */
  readonly onOpenedAgain?: ((hub: Hub) => void) | undefined;
}

/**
 * Starts a hub, with the Lab if it is enabled in the configuration.
 * @throws DataFolderError, or the error of `listen` (`EADDRINUSE`, …)
 */
export async function startHub(config: Config, parts: StartParts = {}): Promise<Hub> {
  if (config.lab.enabled) return new HubWithLab(config, parts).open();
  return config.cluster.nats.length > 0 ? new ClusterHub(config, parts).open() : openHub(config, parts);
}

/**
 * A hub that can be opened again. Its address stays, also where the configuration lets the system
 * choose the port.
 */
abstract class ReopenedHub implements Hub {
  protected readonly config: Config;
  protected readonly parts: StartParts;
  /** Undefined before the first opening. */
  protected hub: Hub | undefined;
  #port = 0;
  #url = '';

  constructor(config: Config, parts: StartParts) {
    this.config = config;
    this.parts = parts;
  }

  get url(): string {
    return this.#url;
  }

  get port(): number {
    return this.#port;
  }

  get firstKey(): string | undefined {
    return this.hub?.firstKey;
  }

  get routes(): readonly Route[] {
    return this.hub?.routes ?? [];
  }

  reload(): ReturnType<Hub['reload']> {
    return (this.hub as Hub).reload();
  }

  abstract drain(): Promise<void>;
  abstract close(): Promise<void>;

  protected abstract openAt(listen: string): Promise<Hub>;

  protected async openFirst(): Promise<void> {
    this.#use(await this.openAt(this.config.listen));
  }

  /** The hub before is closed. */
  protected async openAgain(): Promise<void> {
    const { host } = parseListen(this.config.listen) as ListenAddress;
    this.#use(await this.openAt(formatListen({ host, port: this.#port })));
    this.parts.onOpenedAgain?.(this);
  }

  #use(hub: Hub): void {
    this.hub = hub;
    this.#port = hub.port;
    this.#url = hub.url;
  }
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
 * off from the others, which made the hub silent. If it cannot open after `REOPEN_DEADLINE_MS`, the
 * process ends, and its supervisor starts it again. It ends at once if another attempt cannot help.
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

  #reset(): void {
    this.#opening = this.#opening.then(() => this.#restart());
  }

  async #restart(): Promise<void> {
    if (this.#isClosing) return;
    await this.hub?.close();
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

/**
 * A hub that the Lab's page can restart and wipe. The Lab, its wires and the page's view of them
 * outlive each restart.
 */
class HubWithLab extends ReopenedHub {
  #lab: Lab | undefined;
  readonly #login: LabLogin | undefined;

  constructor(config: Config, parts: StartParts) {
    super(config, parts);
    // With access rules, a visitor of the page must not get the identity of a user of the site.
    if (trustsLoopback(config)) this.#login = new LabLogin();
  }

  async open(): Promise<Hub> {
    this.#lab = await createLab({
      folder: assetPath('console'),
      hubPort: () => this.port,
      login: this.#login,
      actions: {
        restart: () => this.#restart(async () => undefined),
        wipe: () => this.#restart(() => wipeLog(this.config.data)),
      },
    });
    try {
      await this.openFirst();
    } catch (error) {
      await this.#lab.close();
      throw error;
    }
    return this;
  }

  async drain(): Promise<void> {
    await this.#lab?.close();
    await this.hub?.drain();
  }

  async close(): Promise<void> {
    await this.#lab?.close();
    await this.hub?.close();
  }

  protected openAt(listen: string): Promise<Hub> {
    const lab = this.#lab as Lab;
    const answer: RequestHandler = (request, response) => void lab.handle(request, response);
    return openHub(
      { ...this.#withLabUsers(this.config), listen },
      {
        ...this.parts,
        loadConfig: () => this.#loadConfig(listen),
        routes: labRoutes(answer),
        ownOrigins: (url) => [url, url.replace('//127.0.0.1:', '//localhost:')],
      },
    );
  }

  /** The hub keeps its port when it restarts, so its address may differ from the configured one. */
  async #loadConfig(listen: string): Promise<Config> {
    const config = (await this.parts.loadConfig?.()) ?? this.config;
    return { ...this.#withLabUsers(config), ...(config.listen === this.config.listen && { listen }) };
  }

  #withLabUsers(config: Config): Config {
    return this.#login === undefined ? config : withLabUsers(config, this.#login);
  }

  async #restart(between: () => Promise<void>): Promise<void> {
    await this.hub?.close();
    await between();
    await this.openAgain();
  }
}

/** The hub trusts the Lab's own login, and shows the presence of the Lab's channel. */
function withLabUsers(config: Config, { issuer }: LabLogin): Config {
  const { rules, identity } = config;
  return {
    ...config,
    rules: [{ pattern: TOWN_CHANNEL, subscribe: ['anyone'], publish: ['users'], presence: ['anyone'] }, ...rules],
    identity: { ...identity, tokens: [...identity.tokens, issuer] },
  };
}

function labRoutes(handler: RequestHandler): readonly Route[] {
  const docs = documentation(assetPath('docs'));
  return [
    { method: 'GET', path: '/', answer: redirectToLab },
    { method: 'GET', path: '/lab', answer: handler },
    { method: 'GET', path: '/lab/*', answer: handler },
    { method: 'POST', path: '/lab/*', answer: handler },
    { method: 'GET', path: '/docs', answer: docs },
    { method: 'GET', path: '/docs/*', answer: docs },
  ];
}

const redirectToLab: RequestHandler = (_request, response) => {
  response.writeHead(302, { Location: '/lab', 'Content-Length': 0 });
  response.end();
};
