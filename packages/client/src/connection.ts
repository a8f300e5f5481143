import { isPattern, type Gap } from '@polycast/protocol';
import { createDriver, type Driver } from './driver.ts';
import { PolycastError, refusal } from './errors.ts';
import type { Means, Target } from './http.ts';
import type { Phase, PhaseName, TransportName } from './machine/state.ts';
import { DEFAULT_TRANSPORTS, PATIENCE, settingsOf, type ConnectOptions } from './options.ts';
import { createPublisher, type Published, type PublishOptions } from './publish.ts';
import { createMemory, nameOf, type Memory } from './remember.ts';
import { createSink, type Handler, type Sink, type SubscribeOptions, type Subscription } from './subscription.ts';
import { openLongPoll } from './transports/long-poll.ts';
import { createPoll } from './transports/poll.ts';
import { openSse } from './transports/sse.ts';
import type { OpenTransport } from './transports/transport.ts';
import { openWebSocket } from './transports/websocket.ts';

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
  /** A subscription was refused, or a handler threw. */
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
  /**
   * Resolves once the event is durable. Tries again, with an idempotency key, for `publishTimeoutMs`. Rejects with
   * PolycastError: the hub's refusal, or `request_timeout`.
   */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Published>;
  /** Calls the listener for each of these events; returns what ends that. */
  on<Name extends keyof ConnectionEvents>(name: Name, listener: (event: ConnectionEvents[Name]) => void): () => void;
  /** Ends all subscriptions. Publishes under way are rejected with an `AbortError`. */
  close(): void;
}

/** A connection, and what the tab that leads others needs to know of it. */
export interface OwnConnection extends Connection {
  /** Up to where this subscription has been given everything; empty until it has a place in the log. */
  cursorOf(subscription: Subscription): string;
}

type Listeners = { readonly [Name in keyof ConnectionEvents]: Set<(event: ConnectionEvents[Name]) => void> };

const SAVE_INTERVAL_MS = 250;

/** @param tab reads through another tab, when tabs share */
export function createConnection(url: string | URL, options: ConnectOptions, tab?: OpenTransport): OwnConnection {
  const base = eventsUrl(url);
  const means = meansOf(options);
  const transports = transportsOf(options, means, tab);
  const settings = settingsOf(options, transports);
  const patience = { ...PATIENCE, ...settings };
  const listeners: Listeners = { state: new Set(), gap: new Set(), lag: new Set(), error: new Set() };
  const memory = memoryOf(options);
  const names = new Map<number, string>();
  const ids = new Map<Subscription, number>();
  const ending = new AbortController();
  let shown: StateChange = { state: 'idle', transport: undefined, why: undefined, error: undefined };
  let nextId = 1;
  let saveTimer: ReturnType<typeof setTimeout> | undefined;

  const openers: Partial<Record<TransportName, OpenTransport>> = {
    ...(tab === undefined ? {} : { tab }),
    websocket: openWebSocket,
    sse: openSse,
    'long-poll': openLongPoll,
    poll: createPoll(patience.pollIntervalMs),
  };
  const driver: Driver = createDriver({
    settings,
    means,
    openers,
    target: () => targetOf(base, options),
    onPhase,
    onGap,
    onLag: (sink, behind) => emit('lag', { subscription: sink.subscription, behind }),
    onFailed: (sink, error) => emit('error', { subscription: sink.subscription, error }),
    onStep: saveSoon,
  });
  const publisher = createPublisher({
    means,
    target: () => targetOf(base, options),
    link: driver.link,
    timeoutMs: patience.publishTimeoutMs,
    backoffBaseMs: settings.backoffBaseMs,
    signal: ending.signal,
  });
  for (const name of ['online', 'offline']) globalThis.addEventListener?.(name, onNetwork);
  globalThis.addEventListener?.('pagehide', save);

  return {
    subscribe,
    publish: (channel, data, publishOptions = {}) => publisher(channel, data, publishOptions),
    on,
    close,
    cursorOf,
    get state() {
      return shown;
    },
  };

  function subscribe(
    channels: string | readonly string[],
    ...rest: [(Handler | SubscribeOptions)?, SubscribeOptions?]
  ): Subscription<never> {
    const handler = typeof rest[0] === 'function' ? rest[0] : undefined;
    const subscribeOptions =
      (handler === undefined ? ((rest[0] as SubscribeOptions | undefined) ?? rest[1]) : rest[1]) ?? {};
    const wanted = checkChannels(channels);
    const { types, after, history } = subscribeOptions;
    const id = nextId++;
    const name = nameOf(wanted, types);
    const recalled = after === undefined && history === undefined ? memory?.recall(name) : undefined;
    const sink = createSink({
      channels: wanted,
      handler,
      options: subscribeOptions,
      onRoom: () => driver.dispatch(() => ({ kind: 'room', id, room: sink.room() })),
      onClose: () => {
        forget(id, sink);
        driver.dispatch({ kind: 'unsubscribe', id });
      },
      onError: (error) => emit('error', { subscription: sink.subscription, error }),
    });
    names.set(id, name);
    ids.set(sink.subscription, id);
    const start = { after: after ?? recalled, history: recalled === undefined ? history : undefined };
    driver.add(sink, { kind: 'subscribe', id, channels: wanted, types, start, room: sink.room() });
    return sink.subscription as Subscription<never>;
  }

  function cursorOf(subscription: Subscription): string {
    const id = ids.get(subscription);
    return driver.state.members.find((member) => member.id === id)?.cursor ?? '';
  }

  function on<Name extends keyof ConnectionEvents>(
    name: Name,
    listener: (event: ConnectionEvents[Name]) => void,
  ): () => void {
    listeners[name].add(listener);
    return () => void listeners[name].delete(listener);
  }

  /** A listener that throws is reported, and holds up nobody. An error that nobody listens for is reported as well. */
  function emit<Name extends keyof ConnectionEvents>(name: Name, event: ConnectionEvents[Name]): void {
    for (const listener of listeners[name]) {
      try {
        listener(event);
      } catch (error) {
        report(error);
      }
    }
    if (name === 'error' && listeners.error.size === 0) report((event as ConnectionEvents['error']).error);
  }

  function onPhase(phase: Phase): void {
    shown = {
      state: phase.name,
      transport: 'transport' in phase ? phase.transport : undefined,
      why: 'why' in phase ? phase.why : undefined,
      error: 'problem' in phase && phase.problem !== undefined ? new PolycastError(phase.problem) : undefined,
    };
    emit('state', shown);
  }

  function onGap(sink: Sink, gap: Gap): void {
    try {
      sink.onGap?.(gap);
    } catch (error) {
      emit('error', { subscription: sink.subscription, error });
    }
    emit('gap', { subscription: sink.subscription, gap });
  }

  function onNetwork(): void {
    driver.dispatch({ kind: 'network' });
  }

  function saveSoon(): void {
    if (memory !== undefined) saveTimer ??= setTimeout(save, SAVE_INTERVAL_MS);
  }

  /** Keeps, for each subscription, up to where its consumer has seen events: what is only buffered comes again. */
  function save(): void {
    clearTimeout(saveTimer);
    saveTimer = undefined;
    for (const { id, cursor } of driver.state.members) {
      const place = driver.sinkOf(id)?.consumedTo() ?? cursor;
      if (place) memory?.keep(names.get(id) as string, place);
    }
    memory?.save();
  }

  function forget(id: number, sink: Sink): void {
    memory?.forget(names.get(id) as string);
    names.delete(id);
    ids.delete(sink.subscription);
  }

  function close(): void {
    if (memory !== undefined) save();
    ending.abort(new DOMException('The connection was closed.', 'AbortError'));
    driver.dispatch({ kind: 'close' });
    clearTimeout(saveTimer);
    for (const name of ['online', 'offline']) globalThis.removeEventListener?.(name, onNetwork);
    globalThis.removeEventListener?.('pagehide', save);
  }
}

function checkChannels(channels: string | readonly string[]): readonly string[] {
  const wanted = typeof channels === 'string' ? [channels] : [...new Set(channels)];
  if (wanted.length === 0) throw new PolycastError(refusal('channel_missing', 'No channel is named.'));
  for (const channel of wanted)
    if (!isPattern(channel)) throw new PolycastError(refusal('invalid_pattern', `"${channel}" is no channel and no pattern.`));
  return wanted;
}

/** `https://hub.example/`, with a path where the hub is behind one; in a page it may be relative. */
function eventsUrl(url: string | URL): URL {
  const base = new URL(url, globalThis.location?.href);
  base.protocol = base.protocol.replace('ws', 'http');
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return new URL('v1/events', base);
}

function meansOf(options: ConnectOptions): Means {
  const own = options.fetch;
  return {
    // Called without an object: browsers refuse `fetch` as a method of another.
    fetch: (input, init) => (own === undefined ? fetch(input, init) : own(input, init)),
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
  };
}

function transportsOf(options: ConnectOptions, means: Means, tab: OpenTransport | undefined): TransportName[] {
  const wanted = (options.transports ?? DEFAULT_TRANSPORTS).filter(
    (name) => name !== 'websocket' || means.WebSocket !== undefined,
  );
  if (wanted.length === 0) throw new TypeError('None of the transports can be had here.');
  return tab === undefined ? wanted : ['tab', ...wanted];
}

async function targetOf(url: URL, { token }: ConnectOptions): Promise<Target> {
  return { url, token: typeof token === 'function' ? await token() : token };
}

function memoryOf({ remember, storage }: ConnectOptions): Memory | undefined {
  if (remember === undefined) return undefined;
  const keeper = storage ?? globalThis.sessionStorage;
  return keeper === undefined ? undefined : createMemory(keeper, remember);
}

function report(error: unknown): void {
  if (typeof reportError === 'function') reportError(error);
  else console.error(error);
}
