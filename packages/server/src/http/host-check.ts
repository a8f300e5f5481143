import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage } from 'node:http';
import { detachedCopy } from '../core/interests/interest.ts';
import type { HttpSettings } from './http-settings.ts';

/**
 * Refuses names other than the loopback's where everybody on this machine has full access.
 * Otherwise a page whose name resolves to this machine (DNS rebinding) would have the hub's own
 * origin.
 */
export class HostCheck {
  readonly #isEnabled: boolean;
  readonly #publicHost: string | undefined;
  /** The last accepted `Host`: most requests repeat it. */
  #lastAccepted: string | undefined;

  constructor({ loopbackHostsOnly, publicHost }: HttpSettings) {
    this.#isEnabled = loopbackHostsOnly;
    this.#publicHost = publicHost?.toLowerCase();
  }

  /** @throws PolycastError `host_not_allowed` */
  check({ headers: { host } }: IncomingMessage): void {
    if (!this.#isEnabled || host === undefined || host === this.#lastAccepted) return;
    const isAllowed = LOOPBACK_HOST.test(host) || host.toLowerCase().replace(/:\d+$/, '') === this.#publicHost;
    if (!isAllowed) throw new PolycastError('host_not_allowed', `The request names ${host.slice(0, 100)}.`);
    this.#lastAccepted = detachedCopy(host);
  }
}

const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;
