import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { PolycastError } from '@polycast/protocol';
import { sentPrincipal } from '../../auth/session-updates.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Logger } from '../../core/ports.ts';
import { withErrorListener } from '../../http/sockets/error-safe-socket.ts';
import { encodeJson, ProcessChannel, type MessageHandler } from '../../processes/process-channel.ts';
import type { ClusterSubscriptions } from '../../storage/cluster/subscriptions/cluster-subscriptions.ts';
import type { OpenPulls, PullingSession, PullOperation, PullResult, SocketPulls } from '../../streams/socket-pulls.ts';
import { ForwardedPulls, type PullLink } from '../../subscriptions/http/forwarded-pulls.ts';
import type { Shutdown } from '../shutdown.ts';
import { keepBeating } from './link-beats.ts';
import { PULLS_PATH, PULLS_PROTOCOL, type AnnouncedSession } from './pull-host.ts';
import { CONNECT_TIMEOUT_MS, noOwner, reachOwner } from './reach-owner.ts';

/** The link to one owner, and the principals that it has been told. */
interface OpenLink {
  readonly owner: string;
  readonly channel: ProcessChannel;
  readonly announced: WeakMap<PullingSession, Principal>;
}

/**
 * The link of this hub to the one that works on subscriptions, for the pulls of WebSockets. It is a
 * request that is forwarded as those of HTTP are, and upgraded. The first operation opens it, and
 * one link carries the pulls of all sessions.
 */
export class HubPullLink implements PullLink {
  readonly #subscriptions: ClusterSubscriptions;
  readonly #logger: Logger;
  readonly #handlers = new Map<string, MessageHandler>();
  readonly #lost: (() => void)[] = [];
  #link: OpenLink | undefined;
  #opening: Promise<boolean> | undefined;

  constructor(subscriptions: ClusterSubscriptions, logger: Logger, shutdown: Pick<Shutdown, 'add'>) {
    this.#subscriptions = subscriptions;
    this.#logger = logger;
    shutdown.add('sockets', () => this.#link?.channel.close());
  }

  on(name: string, handler: MessageHandler): void {
    this.#handlers.set(name, handler);
  }

  onLost(listener: () => void): void {
    this.#lost.push(listener);
  }

  /** Whether another hub works; there is a link to it then. Waits for one. @throws PolycastError */
  async reach(): Promise<boolean> {
    const { isWorking, lease } = this.#subscriptions;
    if (this.#link?.channel.isOpen === true && this.#link.owner === lease.owner) return true;
    // The leases of that owner have ended with it.
    this.#link?.channel.close();
    if (isWorking) return false;
    this.#opening ??= this.#open().finally(() => void (this.#opening = undefined));
    return this.#opening;
  }

  announce(session: PullingSession): void {
    const { id, principal } = session;
    if (this.#link === undefined || this.#link.announced.get(session) === principal) return;
    this.#link.announced.set(session, principal);
    this.send(
      'pull-session',
      encodeJson({ session: id, principal: sentPrincipal(principal) } satisfies AnnouncedSession),
    );
  }

  send(name: string, body: Buffer): void {
    this.#link?.channel.send(name, body);
  }

  request(name: string, body: Buffer): Promise<Buffer> {
    return this.#link?.channel.request(name, body) ?? Promise.reject(noOwner());
  }

  async #open(): Promise<boolean> {
    const link = await reachOwner(this.#subscriptions, {
      isOver: () => false,
      use: (connection, owner) => this.#connect(connection, owner),
    });
    return link !== undefined;
  }

  /** `undefined`: the hub works no more. @throws PolycastError `not_in_cluster` */
  async #connect(connection: Duplex, owner: string): Promise<OpenLink | undefined> {
    const upgraded = await upgrade(connection);
    if (upgraded === undefined) return undefined;
    let onBeat: MessageHandler = () => undefined;
    const channel = new ProcessChannel(
      upgraded,
      (name) => (name === 'beat' ? onBeat : this.#handlers.get(name)),
      (error, message) => this.#logger.error({ error, message }, 'cluster: message of the owner failed'),
    );
    onBeat = keepBeating(channel);
    const link: OpenLink = { owner, channel, announced: new WeakMap() };
    this.#link = link;
    channel.onClose(() => {
      if (this.#link === link) this.#link = undefined;
      for (const listener of this.#lost) listener();
    });
    return link;
  }
}

/** Asks the other hub for a link over a connection to it. */
function upgrade(connection: Duplex): Promise<Duplex | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex | undefined>();
  const timer = setTimeout(() => connection.destroy(), CONNECT_TIMEOUT_MS);
  const headers = { connection: 'Upgrade', upgrade: PULLS_PROTOCOL };
  const outgoing = request({ createConnection: () => connection, path: PULLS_PATH, headers });
  outgoing.on('upgrade', (_answer, socket: Duplex, head: Buffer) => {
    withErrorListener(socket);
    if (head.length > 0) socket.unshift(head);
    resolve(socket);
  });
  outgoing.on('response', () => {
    connection.destroy();
    const detail = 'The hub that works on subscriptions has a version without this. Upgrade it.';
    reject(new PolycastError('not_in_cluster', detail));
  });
  outgoing.on('error', () => resolve(undefined));
  outgoing.end();
  return promise.finally(() => clearTimeout(timer));
}

/**
 * The pulls of the WebSockets of a hub in a cluster: those of this hub while it works,
 * or forwarded.
 */
export function clusterPulls(link: HubPullLink, openOwn: OpenPulls): OpenPulls {
  const forwarded = new ForwardedPulls(link);
  return (session) => new ClusterSessionPulls(link, session, openOwn, forwarded);
}

class ClusterSessionPulls implements SocketPulls {
  readonly #link: HubPullLink;
  readonly #session: PullingSession;
  readonly #openOwn: OpenPulls;
  readonly #forwarded: ForwardedPulls;
  #own: SocketPulls | undefined;
  #elsewhere: SocketPulls | undefined;

  constructor(link: HubPullLink, session: PullingSession, openOwn: OpenPulls, forwarded: ForwardedPulls) {
    this.#link = link;
    this.#session = session;
    this.#openOwn = openOwn;
    this.#forwarded = forwarded;
  }

  get isPulling(): boolean {
    return this.#own?.isPulling === true || this.#elsewhere?.isPulling === true;
  }

  async run(operation: PullOperation): Promise<PullResult> {
    const isElsewhere = await this.#link.reach();
    if (this.#session.phase === 'closed') throw new PolycastError('log_unavailable', 'The session has ended.');
    if (isElsewhere) return (this.#elsewhere ??= this.#forwarded.open(this.#session)).run(operation);
    return (this.#own ??= this.#openOwn(this.#session)).run(operation);
  }

  async recheckAccess(): Promise<void> {
    await Promise.all([this.#own?.recheckAccess(), this.#elsewhere?.recheckAccess()]);
  }

  close(): void {
    this.#own?.close();
    this.#elsewhere?.close();
  }
}
