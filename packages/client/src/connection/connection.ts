import type { Gap, PolycastEvent, Problem } from '@polycast/protocol';
import { createDriver, type InnerEffect } from './driver.ts';
import { closedError, PolycastError, clientProblem } from '../errors.ts';
import { createCursorStore } from './cursor-store.ts';
import type { Phase, PhaseName, TransportName } from '../machine/state.ts';
import { openWebSocket } from '../transports/websocket.ts';
import { endingOf, sendRequest, withToken, type HubContext, type Platform } from '../http.ts';
import { createTab } from '../transports/tab.ts';
import { createShortPoll } from '../transports/short-poll.ts';
import {
  createConsumerQueue,
  type Handler,
  type ConsumerQueue,
  type SubscribeOptions,
  type Subscription,
} from './subscription.ts';
import { DEFAULT_TRANSPORTS, settingsOf, type ConnectOptions, type TabSession } from './options.ts';
import { isPattern, OWN_CHANNEL } from '../machine/patterns.ts';
import { openSse } from '../transports/sse.ts';
import { createPublisher, type Publish } from './publish.ts';
import { openLongPoll } from '../transports/long-poll.ts';

export interface StateChange {
  /** `idle`: nothing is subscribed to. `waiting`: for the next attempt. */
  readonly state: PhaseName;
  /** What is being opened, or delivers. */
  readonly transport: TransportName | undefined;
  /** For people: what the last attempt ended with. */
  readonly why: string | undefined;
  /** What the hub refused, when that closed the connection. */
  readonly error: PolycastError | undefined;
}

export interface ConnectionEvents {
  state: StateChange;
  /** Events that can no longer be delivered (PROTOCOL.md section 2.3). */
  gap: { readonly subscription: Subscription; readonly gap: Gap };
  /** A consumer has fallen behind the stream because its buffer is full, or has caught up with it again. */
  lag: { readonly subscription: Subscription; readonly behind: boolean };
  /** What is sent to this user alone (PROTOCOL.md section 13.5). Listening is a subscription of its own, as `me(listener)`. */
  user: PolycastEvent;
  /**
   * A subscription was refused, a handler threw, or `getToken` did, or gave nothing in time (PolycastError `identity_unavailable`, whose `cause`
   * is what it threw, or a `TimeoutError`).
   * Goes to the console when nobody listens.
   */
  error: { readonly subscription: Subscription | undefined; readonly error: unknown };
}

export interface Connection {
  readonly state: StateChange;
  /**
   * Delivers the events of these channels or patterns to the handler, each once, in order; without a handler the
   * subscription is to be iterated. Throws PolycastError `invalid_pattern` or `channel_missing`.
   */
  subscribe<Data = unknown>(
    channels: string | readonly string[],
    handler: Handler<Data>,
    options?: SubscribeOptions,
  ): Subscription<Data>;
  subscribe<Data = unknown>(channels: string | readonly string[], options?: SubscribeOptions): Subscription<Data>;
  /** What is sent to this user alone, as `subscribe('@me', …)` (PROTOCOL.md section 13.5). */
  me<Data = unknown>(handler: Handler<Data>, options?: SubscribeOptions): Subscription<Data>;
  me<Data = unknown>(options?: SubscribeOptions): Subscription<Data>;
  /**
   * Resolves once the event is durable. Tries again, with an idempotency key, for `publishTimeoutMs`. Rejects with
   * PolycastError: the hub's refusal, or `request_timeout`.
   */
  readonly publish: Publish;
  /**
   * Asks the hub by HTTP as whoever this connection speaks for: `fetch('channels/orders.42/history')`. Rejects with
   * PolycastError when the hub refuses.
   * @param path below `/v1/`
   */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Calls the listener for each of these events; returns what ends that. */
  on<Name extends keyof ConnectionEvents>(name: Name, listener: (event: ConnectionEvents[Name]) => void): () => void;
  /** Ends all subscriptions. What is under way is rejected with PolycastError `closed`. */
  close(): void;
}

type Listener<Name extends keyof ConnectionEvents> = (event: ConnectionEvents[Name]) => void;
type Listeners = { [Name in keyof ConnectionEvents]?: Set<Listener<Name>> };

const SAVE_INTERVAL_MS = 250;

export function createConnection(hub: HubContext, options: ConnectOptions, tabSession?: TabSession): Connection {
  const settings = settingsOf(options, transportsOf(options, hub, tabSession));
  const storage = options.storage ?? globalThis.sessionStorage;
  const cursorStore =
    options.remember === undefined || storage === undefined ? undefined : createCursorStore(storage, options.remember);
  const listeners: Listeners = {};
  const closing = new AbortController();
  let currentState = stateOf({ kind: 'idle' });
  let nextId = 1;
  let saveTimer: ReturnType<typeof setTimeout> | undefined;

  const driver = createDriver({
    settings,
    openers: {
      tab: tabSession && createTab(tabSession),
      websocket: openWebSocket,
      sse: openSse,
      'long-poll': openLongPoll,
      poll: createShortPoll(settings.pollIntervalMs),
    },
    hub,
    signal: closing.signal,
    onPhase(phase) {
      currentState = stateOf(phase);
      emit('state', currentState);
    },
    onEffect,
    onStep() {
      if (cursorStore !== undefined) saveTimer ??= setTimeout(save, SAVE_INTERVAL_MS);
    },
  });
  const publish = createPublisher({
    hub,
    sendOperation: driver.sendOperation,
    settings,
    signal: closing.signal,
  });
  // Of a connection that tabs share, the tab's own, which was there first, is told.
  hub.tokens.onError ??= (error) => emit('error', { subscription: undefined, error });
  listen('online', onNetwork);
  listen('offline', onNetwork);
  listen('pagehide', save);

  return {
    subscribe,
    me: (...rest: (Handler | SubscribeOptions | undefined)[]) => subscribe(OWN_CHANNEL, ...rest),
    publish,
    fetch: fetchFromHub,
    on,
    close,
    get state() {
      return currentState;
    },
  };

  function subscribe(
    channels: string | readonly string[],
    ...rest: (Handler | SubscribeOptions | undefined)[]
  ): Subscription<never> {
    const handler = rest.find((value) => typeof value === 'function');
    const subscribeOptions = rest.find((value) => typeof value === 'object') ?? {};
    const channelList = checkChannels(channels);
    const { types, after, history } = subscribeOptions;
    const id = nextId++;
    const name = [...channelList, '', ...(types ?? [])].join();
    const storedCursor = after ?? cursorStore?.load(name);
    const consumerQueue: ConsumerQueue = createConsumerQueue({
      name,
      channels: channelList,
      handler,
      options: subscribeOptions,
      cursor: () => driver.state.subscriptions.find((member) => member.id === id)?.cursor ?? '',
      onCapacity: () => driver.dispatch(() => ({ kind: 'drained', id, capacity: consumerQueue.capacity() })),
      onClose() {
        cursorStore?.store(name, undefined);
        driver.dispatch({ kind: 'unsubscribe', id });
      },
      onError: (error) => emit('error', { subscription: consumerQueue.subscription, error }),
    });
    driver.consumerQueues.set(id, consumerQueue);
    driver.dispatch({
      kind: 'subscribe',
      id,
      channels: channelList,
      types,
      start: { after: storedCursor, history },
      capacity: consumerQueue.capacity(),
    });
    return consumerQueue.subscription as Subscription<never>;
  }

  function on<Name extends keyof ConnectionEvents>(name: Name, listener: Listener<Name>): () => void {
    if (name === 'user') return subscribe(OWN_CHANNEL, listener as Handler).close;
    const set = ((listeners[name] as Set<Listener<Name>> | undefined) ??= new Set());
    set.add(listener);
    return () => void set.delete(listener);
  }

  function emit<Name extends keyof ConnectionEvents>(name: Name, event: ConnectionEvents[Name]): void {
    const set = listeners[name];
    if (name === 'error' && !set?.size) console.error((event as ConnectionEvents['error']).error);
    set?.forEach((listener) => callSafely(listener, event));
  }

  /** What the application throws is reported, and holds up nobody. */
  function callSafely<Event>(listener: ((event: Event) => void) | undefined, event: Event): void {
    try {
      listener?.(event);
    } catch (error) {
      console.error(error);
    }
  }

  function onEffect({ subscription, onGap }: ConsumerQueue, effect: InnerEffect): void {
    if (effect.kind === 'lag') return emit('lag', { subscription, behind: effect.behind });
    callSafely(onGap, effect.gap);
    emit('gap', { subscription, gap: effect.gap });
  }

  function onNetwork(): void {
    driver.dispatch({ kind: 'network' });
  }

  /** Keeps, for each subscription, up to where its consumer has seen events: what is only buffered comes again. */
  function save(): void {
    saveTimer = undefined;
    for (const { name, subscription } of driver.consumerQueues.values())
      if (subscription.cursor) cursorStore?.store(name, subscription.cursor);
    cursorStore?.save();
  }

  function close(): void {
    save();
    closing.abort(closedError());
    driver.dispatch({ kind: 'close' });
    clearTimeout(saveTimer);
    tabSession?.end();
  }

  /** What the browser tells; Node tells nothing. */
  function listen(name: string, listener: () => void): void {
    globalThis.addEventListener?.(name, listener, { signal: closing.signal });
  }

  async function fetchFromHub(path: string, init?: RequestInit): Promise<Response> {
    const signal = AbortSignal.any([closing.signal, init?.signal ?? []].flat());
    try {
      return await withToken(hub, signal, (to) => sendRequest(to, new URL(path, to.url), { ...init, signal }));
    } catch (error) {
      const ended = endingOf(error);
      throw ended.kind === 'refused' ? new PolycastError(ended.problem) : error;
    }
  }
}

function stateOf(phase: Phase): StateChange {
  const {
    kind: state,
    transport,
    why,
    problem,
  }: { kind: PhaseName; transport?: TransportName; why?: string; problem?: Problem | undefined } = phase;
  return { state, transport, why, error: problem && new PolycastError(problem) };
}

function checkChannels(channels: string | readonly string[]): readonly string[] {
  const channelList = [...new Set([channels].flat())];
  const wrong =
    channelList.length === 0 ? '' : channelList.find((channel) => channel !== OWN_CHANNEL && !isPattern(channel));
  if (wrong !== undefined)
    throw new PolycastError(
      clientProblem(channelList.length === 0 ? 'channel_missing' : 'invalid_pattern', `No channel: ${wrong}`),
    );
  return channelList;
}

function transportsOf(
  { transports = DEFAULT_TRANSPORTS }: ConnectOptions,
  platform: Platform,
  tabSession: TabSession | undefined,
): TransportName[] {
  const usable = transports.filter((name) => name !== 'websocket' || platform.WebSocket !== undefined);
  if (usable.length === 0) throw new TypeError('No transport.');
  return tabSession === undefined ? usable : ['tab', ...usable];
}
