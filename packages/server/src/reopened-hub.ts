import { formatListen, parseListen, type ListenAddress } from './config/listen.ts';
import type { Config } from './config/parse.ts';
import type { Route } from './auth/route.ts';
import type { Hub, HubParts } from './hub.ts';

export interface StartParts extends Pick<HubParts, 'refused' | 'loadConfig' | 'origins' | 'place'> {
  /** Called when the hub was closed and opened again. */
  readonly onOpenedAgain?: ((hub: Hub) => void) | undefined;
}

/**
 * A hub that can be opened again. Its address stays, also where the configuration lets the system
 * choose the port.
 */
export abstract class ReopenedHub implements Hub {
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

  get drainMs(): number {
    return this.hub?.drainMs ?? this.config.drain.timeMs;
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
