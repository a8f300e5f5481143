import type { ClientMessage, Gap, PolycastEvent } from '@polycast/protocol';
import type { PolycastError } from '../errors.ts';
import type { Connection } from '../connection/connection.ts';
import type { OpenRequest } from '../machine/state.ts';
import type { Subscription } from '../connection/subscription.ts';
import { aborted, sessionName, TAB_HEARTBEAT_MS, withLock, type TabMessage } from './tab-messages.ts';

interface Session {
  readonly channel: BroadcastChannel;
  readonly subscription: Subscription;
  isReady: boolean;
}

/** How often a tab is told that the leader is alive, while the leader itself is still connecting. */
const ALIVE_INTERVAL_MS = 2000;
/** How often all are: twice in the time after which they would wonder. */
const HEARTBEAT_TICKS = TAB_HEARTBEAT_MS / ALIVE_INTERVAL_MS / 2;

/**
 * Asks to lead the tabs of this name; of all that ask, one does, and when it closes or crashes the next takes over.
 * @returns what ends it
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

/** Serves the sessions of all tabs from one connection: each is a subscription of its own, with its own place. */
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
    // Where a session begins that begins with what comes, is known once its subscription has joined.
    const begin = after === 'now' ? '' : after;
    const subscription = connection.subscribe(channels, deliver, { after, onGap });
    const session: Session = { channel, subscription, isReady: false };
    sessions.set(id, session);
    subscription.joined.then(
      () => ready(subscription.cursor),
      () => undefined,
    );
    // Whoever opened the session holds this lock until it is gone.
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
    // Whoever is refused by way of this tab is to hear it from the hub itself.
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
      // Not by its class: this module may have been bundled apart from the connection's.
      const { problem } = error as Partial<PolycastError>;
      if (problem !== undefined) session.channel.postMessage({ op: 'publish', ref, ok: false, error: problem });
    }
  }

  /** Moves the place of quiet sessions on, and tells those that are not ready yet not to give up. */
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
