import { trustsLoopback } from './config/listen.ts';
import type { Config } from './config/parse.ts';
import { openHub, type Hub } from './hub.ts';
import { createLab, type Lab } from './lab/lab.ts';
import { documentation } from './lab/documentation.ts';
import { LabLogin, TOWN_CHANNEL } from './lab/login.ts';
import { wipeLog } from './storage/stopped-hub.ts';
import { assetPath } from './platform/package-files.ts';
import type { Route } from './auth/route.ts';
import type { RequestHandler } from './http/route.ts';
import { ReopenedHub, type StartParts } from './reopened-hub.ts';

/**
 * A hub that the Lab's page can restart and wipe. The Lab, its wires and the page's view of them
 * outlive each restart.
 */
export class HubWithLab extends ReopenedHub {
  #lab: Lab | undefined;
  #restarting: Promise<void> = Promise.resolve();
  #isClosing = false;
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
    this.#isClosing = true;
    await this.#lab?.close();
    await this.#restarting;
    await this.hub?.drain();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#lab?.close();
    await this.#restarting;
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

  #restart(between: () => Promise<void>): Promise<void> {
    const restarted = this.#restarting.then(async () => {
      if (this.#isClosing) return;
      await this.hub?.close();
      await between();
      await this.openAgain();
    });
    this.#restarting = restarted.catch(() => undefined);
    return restarted;
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
