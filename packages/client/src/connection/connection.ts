import { createDriver, type InnerEffect } from './driver.ts';
import { createTab } from '../transports/tab.ts';
import {
  createConsumerQueue,
  type Handler,
  type ConsumerQueue,
  type SubscribeOptions,
  type Subscription,
} from './subscription.ts';
import type { Connection, ConnectionEvents, StateChange } from './interface.ts';
import { openWebSocket } from '../transports/websocket.ts';
import { openSse } from '../transports/sse.ts';
import { isPattern, OWN_CHANNEL } from '../machine/patterns.ts';
import type { Phase, PhaseName, TransportName } from '../machine/state.ts';
import { createCursorStore } from './cursor-store.ts';
import { findSubscription } from '../machine/subscription-state.ts';
import { CLIENT_TRANSPORTS, type Problem } from '@polycast/protocol';
import { createShortPoll } from '../transports/short-poll.ts';
import { createPublisher } from './publish.ts';
import { endingOf, sendRequest, withToken, type HubContext, type Platform } from '../http.ts';
import { openLongPoll } from '../transports/long-poll.ts';
import { settingsOf, type ConnectOptions, type TabSession } from './options.ts';
import { closedError, PolycastError, clientProblem } from '../errors.ts';

type Listener<Name extends keyof ConnectionEvents> = (event: ConnectionEvents[Name]) => void;
type Listeners = { [Name in keyof ConnectionEvents]?: Set<Listener<Name>> };

const SAVE_INTERVAL_MS = 250;

export function createConnection(hub: HubContext, options: ConnectOptions, tabSession?: TabSession): Connection {
  const settings = settingsOf(options, transportsOf(options, hub, tabSession));
  const cursorStore =
    options.remember === undefined
      ? undefined
      : createCursorStore(() => options.storage ?? globalThis.sessionStorage, options.remember);
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
      'short-poll': createShortPoll(settings.pollIntervalMs),
    },
    hub,
    signal: closing.signal,
    onPhase(phase) {
      currentState = stateOf(phase);
      emit('state', currentState);
    },
    onEffect,
    onStep() {
      if (cursorStore) saveTimer ??= setTimeout(save, SAVE_INTERVAL_MS);
    },
  });
  const publish = createPublisher({
    hub,
    sendOperation: driver.sendOperation,
    settings,
    signal: closing.signal,
  });
  // On a connection that tabs share, the tab's own connection has set the listener first and
  // receives the errors.
  hub.tokens.onError ??= (error) => emit('error', { subscription: undefined, error });
  listen('online', onNetwork);
  listen('offline', onNetwork);
  listen('visibilitychange', onShown);
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
      cursor: () => findSubscription(driver.state, id)?.cursor ?? '',
      onCapacity: () => driver.dispatch(() => ({ kind: 'drained', id, capacity: consumerQueue.capacity() })),
      onClose() {
        cursorStore?.store(name, undefined);
        driver.dispatch({ kind: 'unsubscribe', id });
      },
      onError,
      onRefused(error) {
        callSafely(subscribeOptions.onRefused, error);
        onError(error);
      },
    });
    function onError(error: unknown): void {
      emit('error', { subscription: consumerQueue.subscription, error });
    }
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

  function onEffect({ subscription, onGap }: ConsumerQueue, effect: InnerEffect): void {
    if (effect.kind === 'lag') return emit('lag', { subscription, behind: effect.behind });
    callSafely(onGap, effect.gap);
    emit('gap', { subscription, gap: effect.gap });
  }

  function onNetwork(): void {
    driver.dispatch({ kind: 'network' });
  }

  /**
   * Somebody looks at the page again, and must not wait for a timer. It is also called when the
   * browser shows a page that it had kept aside.
   */
  function onShown(): void {
    if (driver.state.phase.kind === 'waiting' && !document.hidden) onNetwork();
  }

  /**
   * Stores the cursor of each subscription: the last event that its consumer has processed. Events
   * that are only buffered are delivered again.
   */
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

  /** Listens to an event of the browser; Node has no such events. */
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

/** Calls a listener of the application. Reports an error that it throws, and goes on. */
function callSafely<Event>(listener: ((event: Event) => void) | undefined, event: Event): void {
  try {
    listener?.(event);
  } catch (error) {
    console.error(error);
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
  if (channelList.length === 0) throw new PolycastError(clientProblem('channel_missing', 'No channel.'));
  for (const channel of channelList)
    if (channel !== OWN_CHANNEL && !isPattern(channel))
      throw new PolycastError(
        clientProblem('invalid_pattern', `"${channel}" is not a channel: tokens of A-Z a-z 0-9 _ - joined by dots`),
      );
  return channelList;
}

function transportsOf(
  { transports = CLIENT_TRANSPORTS }: ConnectOptions,
  platform: Platform,
  tabSession: TabSession | undefined,
): TransportName[] {
  const usable = transports.filter((name) => name !== 'websocket' || platform.WebSocket);
  if (usable.length === 0) throw new TypeError('No transport.');
  return tabSession ? ['tab', ...usable] : usable;
}
