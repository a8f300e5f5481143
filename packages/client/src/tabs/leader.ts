import type { ClientMessage, Gap, PolycastEvent } from '@polycast/protocol';
import type { PolycastError } from '../errors.ts';
import type { Connection } from '../connection/interface.ts';
import type { OpenRequest } from '../machine/state.ts';
import type { Subscription } from '../connection/subscription.ts';
import { aborted, sessionName, TAB_HEARTBEAT_MS, withLock, type TabMessage } from './tab-messages.ts';

interface Session {
  readonly channel: BroadcastChannel;
  readonly subscription: Subscription;
  isReady: boolean;
}

/**
 * The interval of heartbeats to sessions that are not ready, while the leader itself is connecting.
 */
const ALIVE_INTERVAL_MS = 2000;
/**
 * The number of those intervals between heartbeats to all sessions: two heartbeats in
 * `TAB_HEARTBEAT_MS`.
 */
const HEARTBEAT_TICKS = TAB_HEARTBEAT_MS / ALIVE_INTERVAL_MS / 2;

/**
 * Asks to lead the tabs of this name. One tab leads at a time; when it closes or crashes, the next
 * one takes over.
 * @returns a function that ends the request or the leadership
 */
export function requestLeadership(name: string, connect: () => Connection): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  withLock(name, async () => {
    if (signal.aborted) return;
    const resign = lead(name, connect);
    await aborted(signal);
    resign();
  });
  return () => controller.abort();
}

/**
 * Serves the sessions of all tabs from one connection. Each session is a subscription of its own,
 * with its own cursor.
 */
function lead(name: string, connect: () => Connection): () => void {
  const sessions = new Map<string, Session>();
  const broadcast = new BroadcastChannel(name);
  const timer = setInterval(keepAlive, ALIVE_INTERVAL_MS);
  let connection = start();
  let ticks = 0;
  broadcast.onmessage = ({ data }: MessageEvent<TabMessage>) => {
    if (data.op === 'open') open(data.session, data.request);
    else if (data.op === 'send') void handleOperation(data.session, data.message);
  };
  broadcast.postMessage({ op: 'leader' } satisfies TabMessage);
  return resign;

  function open(id: string, request: OpenRequest): void {
    if (sessions.has(id)) return;
    if (connection.state.state === 'closed') connection = start();
    const channel = new BroadcastChannel(sessionName(name, id));
    const { channels, after = 'now' } = request;
    // A session that begins `now` has a known start once its subscription has joined.
    const begin = after === 'now' ? '' : after;
    const subscription = connection.subscribe(channels, deliver, { after, onGap });
    const session: Session = { channel, subscription, isReady: false };
    sessions.set(id, session);
    subscription.joined.then(
      () => ready(subscription.cursor),
      () => undefined,
    );
    // The follower that opened the session holds this lock until it ends.
    withLock(sessionName(name, id), () => drop(id));

    function deliver(event: PolycastEvent): void {
      ready(begin);
      channel.postMessage(event);
    }

    function onGap(gap: Gap): void {
      ready(begin);
      channel.postMessage({ op: 'gap', ...gap });
    }

    function ready(cursor: string): void {
      if (session.isReady || !sessions.has(id)) return;
      session.isReady = true;
      channel.postMessage({ op: 'ready', cursor, session: id, heartbeatMs: TAB_HEARTBEAT_MS });
    }
  }

  function start(): Connection {
    const connection = connect();
    // A follower that is refused through this tab has to receive the refusal from the hub itself.
    connection.on('error', ({ subscription }) => {
      for (const [id, session] of sessions) {
        if (session.subscription !== subscription) continue;
        session.channel.postMessage({ op: 'gone' });
        drop(id);
      }
    });
    return connection;
  }

  async function handleOperation(id: string, message: ClientMessage): Promise<void> {
    const session = sessions.get(id);
    if (session === undefined || message.op !== 'publish') return;
    const { ref, channel, data, op: _op, ...options } = message;
    try {
      const published = await connection.publish(channel, data, options);
      session.channel.postMessage({ op: 'publish', ref, ok: true, ...published });
    } catch (error) {
      // Not by `instanceof`: a bundler may have separated this module from the connection's.
      const { problem } = error as Partial<PolycastError>;
      if (problem !== undefined) session.channel.postMessage({ op: 'publish', ref, ok: false, error: problem });
    }
  }

  /**
   * Advances the cursors of quiet sessions, and prevents a timeout of sessions that are not ready
   * yet.
   */
  function keepAlive(): void {
    const isHeartbeat = ++ticks % HEARTBEAT_TICKS === 0;
    for (const { channel, subscription, isReady } of sessions.values()) {
      if (isHeartbeat || !isReady) channel.postMessage({ op: 'heartbeat', cursor: subscription.cursor });
    }
  }

  function drop(id: string): void {
    const session = sessions.get(id);
    sessions.delete(id);
    session?.subscription.close();
    session?.channel.close();
  }

  function resign(): void {
    clearInterval(timer);
    for (const id of sessions.keys()) drop(id);
    broadcast.close();
    connection.close();
  }
}
