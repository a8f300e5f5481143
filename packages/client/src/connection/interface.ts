import type { Gap, PolycastEvent } from '@polycast/protocol';
import type { PolycastError } from '../errors.ts';
import type { PhaseName, TransportName } from '../machine/state.ts';
import type { Publish } from './publish.ts';
import type { Handler, SubscribeOptions, Subscription } from './subscription.ts';

export interface StateChange {
  /** `idle`: there is no subscription. `waiting`: for the next attempt. */
  readonly state: PhaseName;
  /** The transport that is being opened or that delivers. */
  readonly transport: TransportName | undefined;
  /** The reason why the last attempt ended, for people. */
  readonly why: string | undefined;
  /** The hub's refusal, if it closed the connection. */
  readonly error: PolycastError | undefined;
}

export interface ConnectionEvents {
  state: StateChange;
  /** Events that can no longer be delivered (PROTOCOL.md section 2.3). */
  gap: { readonly subscription: Subscription; readonly gap: Gap };
  /**
   * A consumer has fallen behind the stream because its buffer is full, or has caught up with it.
   */
  lag: { readonly subscription: Subscription; readonly behind: boolean };
  /**
   * Events for this user alone (PROTOCOL.md section 13.5). Each listener is a subscription of its
   * own, as with `me(listener)`.
   */
  user: PolycastEvent;
  /**
   * A subscription was refused, a handler threw, or `getToken` failed or timed out. In the last
   * case `error` is a PolycastError `identity_unavailable`. Its `cause` is the error that
   * `getToken` threw, or a `TimeoutError`. Without a listener the error goes to the console.
   */
  error: { readonly subscription: Subscription | undefined; readonly error: unknown };
}

export interface Connection {
  readonly state: StateChange;
  /**
   * Delivers the events of these channels or patterns to the handler, each once, in order. Without
   * a handler, iterate the subscription. Throws PolycastError `invalid_pattern` or
   * `channel_missing`.
   */
  subscribe<Data = unknown>(
    channels: string | readonly string[],
    handler: Handler<Data>,
    options?: SubscribeOptions,
  ): Subscription<Data>;
  subscribe<Data = unknown>(channels: string | readonly string[], options?: SubscribeOptions): Subscription<Data>;
  /**
   * Subscribes to the events for this user alone, as `subscribe('@me', …)` (PROTOCOL.md section
   * 13.5).
   */
  me<Data = unknown>(handler: Handler<Data>, options?: SubscribeOptions): Subscription<Data>;
  me<Data = unknown>(options?: SubscribeOptions): Subscription<Data>;
  /**
   * Publishes an event. Resolves once the event is durable. Tries again, with an idempotency key,
   * for `publishTimeoutMs`. Rejects with PolycastError: the hub's refusal, `request_timeout`,
   * `overloaded` or `closed`.
   */
  readonly publish: Publish;
  /**
   * Sends an HTTP request to the hub with the credentials of this connection:
   * `fetch('channels/orders.42/history')`. Rejects with PolycastError when the hub refuses.
   * @param path below `/v1/`
   */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Calls the listener for each of these events; returns a function that removes the listener. */
  on<Name extends keyof ConnectionEvents>(name: Name, listener: (event: ConnectionEvents[Name]) => void): () => void;
  /** Ends all subscriptions. Operations in progress reject with PolycastError `closed`. */
  close(): void;
}
