import type { TransportName } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Subscription } from '../state/ports.ts';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { SubscriptionParts } from './parts.ts';
import type { Session } from '../../auth/sessions.ts';

/**
 * The session of a pull request that waits for an event. It lasts as long as the wait. Because it
 * is a session, the request counts as a connection. It ends when the hub drains or when its key is
 * revoked.
 */
export class WaitingPull implements Session {
  readonly transport: TransportName = 'long-poll';
  readonly isMomentary: boolean = false;
  readonly id: string;
  readonly principal: Principal;
  /** No channels, so a waiting worker does not appear in presence. */
  readonly channels: readonly string[] = [];
  readonly sinceMs: number;
  readonly address: string;
  registryIndex = -1;
  readonly #sessions: SubscriptionParts['sessions'];
  readonly #request: AuthorizedRequest;
  readonly #subscription: Subscription;
  readonly #abortController = new AbortController();

  /** @throws PolycastError `too_many_connections`, `draining` */
  constructor({ auth, sessions }: SubscriptionParts, request: AuthorizedRequest, subscription: Subscription) {
    this.#sessions = sessions;
    this.#request = request;
    this.#subscription = subscription;
    this.id = sessions.createId();
    this.principal = request.principal;
    this.sinceMs = auth.clock.nowMs();
    this.address = request.address;
    auth.connectionQuota.admit(request.principal, this.address);
    sessions.add(this);
    request.onClose(this.#cancel);
  }

  get position(): Position {
    return this.#subscription.status.cursor;
  }

  /** Aborted when the client disconnects, or when the hub ends the session. */
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

  /** Ends the session after the wait. */
  end(): void {
    this.#sessions.remove(this);
    this.#request.offClose(this.#cancel);
  }

  readonly #cancel = (): void => this.#abortController.abort();
}
