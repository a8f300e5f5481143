import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';
import type { Subscription } from '../core/subscription/ports.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import type { Services, TransportName } from '../transports/services.ts';
import type { Session } from '../transports/sessions.ts';

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
  readonly #caller: AuthorizedRequest;
  readonly #subscription: Subscription;
  readonly #calling = new AbortController();

  /** @throws PolycastError `too_many_connections` */
  constructor(services: Services, caller: AuthorizedRequest, subscription: Subscription) {
    this.#services = services;
    this.#caller = caller;
    this.#subscription = subscription;
    this.id = services.random.token();
    this.principal = caller.principal;
    this.sinceMs = services.clock.nowMs();
    this.address = caller.address;
    services.admission.admit(caller.principal, this.address);
    services.sessions.add(this);
    caller.onGone(this.#end);
  }

  get position(): Position {
    return this.#subscription.standing.cursor;
  }

  /** Called off when its client goes, or is to go. */
  get signal(): AbortSignal {
    return this.#calling.signal;
  }

  drain(): void {
    this.#caller.endConnection();
    this.#end();
  }

  dismiss(): void {
    this.#end();
  }

  destroy(): void {
    this.#caller.destroy();
  }

  /** It waits no more. */
  over(): void {
    this.#services.sessions.remove(this);
    this.#caller.offGone(this.#end);
  }

  readonly #end = (): void => this.#calling.abort();
}
