import type { Position } from '../../core/ports.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Subscription } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { Services, TransportName } from '../../http/services.ts';
import type { Session } from '../../auth/sessions.ts';

/**
 * A worker whose request waits for an event: a session as long as it does, so that it is counted, sent away when the hub goes, and ended
 * when its key is revoked.
 */
export class WaitingPull implements Session {
  readonly transport: TransportName = 'long_poll';
  readonly id: string;
  readonly principal: Principal;
  /** It is there for no channel: who is where does not hear of it. */
  readonly channels: readonly string[] = [];
  readonly sinceMs: number;
  readonly address: string;
  registryIndex = -1;
  readonly #services: Services;
  readonly #request: AuthorizedRequest;
  readonly #subscription: Subscription;
  readonly #abortController = new AbortController();

  /** @throws PolycastError `too_many_connections` */
  constructor(services: Services, request: AuthorizedRequest, subscription: Subscription) {
    this.#services = services;
    this.#request = request;
    this.#subscription = subscription;
    this.id = services.random.token();
    this.principal = request.principal;
    this.sinceMs = services.clock.nowMs();
    this.address = request.address;
    services.connectionQuota.admit(request.principal, this.address);
    services.sessions.add(this);
    request.onClose(this.#cancel);
  }

  get position(): Position {
    return this.#subscription.status.cursor;
  }

  /** Called off when its client goes, or is to go. */
  get signal(): AbortSignal {
    return this.#abortController.signal;
  }

  drain(): void {
    this.#request.closeAfterResponse();
    this.#cancel();
  }

  disconnect(): void {
    this.#cancel();
  }

  destroy(): void {
    this.#request.destroy();
  }

  /** It waits no more. */
  end(): void {
    this.#services.sessions.remove(this);
    this.#request.offClose(this.#cancel);
  }

  readonly #cancel = (): void => this.#abortController.abort();
}
