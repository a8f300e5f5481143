import type { Duplex } from 'node:stream';
import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../../core/access/principal.ts';
import type { Logger, SharedLog } from '../../core/ports.ts';
import { receivedPrincipal, sentPrincipal, type SentPrincipal } from '../../auth/session-updates.ts';
import { withErrorListener } from '../../http/sockets/error-safe-socket.ts';
import { decodeJson, ProcessChannel } from '../../processes/process-channel.ts';
import type { ClusterSubscriptions } from '../../storage/cluster/subscriptions/cluster-subscriptions.ts';
import type { OpenPulls } from '../../streams/socket-pulls.ts';
import { hostPulls, type HostedLinks } from '../../subscriptions/http/hosted-pulls.ts';
import type { Shutdown } from '../shutdown.ts';
import { keepBeating } from './link-beats.ts';
import { noOwner, OWNER_WAIT_MS } from './reach-owner.ts';

/** The request with which a hub opens a link for the pulls of its WebSockets, and its protocol. */
export const PULLS_PATH = '/cluster/pulls';
export const PULLS_PROTOCOL = 'polycast-pulls';

/** A hub tells who one of its sessions is, before its first operation and after each change. */
export interface AnnouncedSession {
  readonly session: string;
  readonly principal: SentPrincipal;
}

export interface PullHostParts {
  readonly subscriptions: ClusterSubscriptions;
  readonly log: { readonly shared?: Pick<SharedLog, 'reachNewest'> };
  readonly openPulls: OpenPulls;
  /** The principal of a key's secret, as this hub knows it. */
  readonly keyPrincipal: (key: string, issuedMs: number) => Principal | undefined;
  readonly logger: Logger;
}

type Handler = Parameters<HostedLinks<HubLink>['on']>[1];

/** The link of another hub, with the sessions that it has announced. */
interface HubLink {
  readonly channel: ProcessChannel;
  readonly sessions: Map<string, HubSession>;
  readonly onBeat: () => void;
}

/** A session at another hub. */
class HubSession {
  readonly #sent: SentPrincipal;
  readonly #received: Principal;
  readonly #parts: Pick<PullHostParts, 'keyPrincipal' | 'log'>;
  #isKnown = false;

  constructor(sent: SentPrincipal, parts: Pick<PullHostParts, 'keyPrincipal' | 'log'>) {
    this.#sent = sent;
    this.#received = receivedPrincipal(sent);
    this.#parts = parts;
  }

  /** The principal of a key is that of this hub: its identity shows whether it still holds. */
  get principal(): Principal {
    return this.#ofKey ?? this.#received;
  }

  /**
   * Waits while the other hub may be ahead: this hub does not have the key as that one sent it.
   * After one wait it has what that hub had. If the key still differs, this hub is ahead.
   */
  whenKnown(): Promise<void> | undefined {
    const { shared } = this.#parts.log;
    this.#isKnown ||= shared === undefined || this.#hasKeyAsSent;
    return this.#isKnown ? undefined : shared?.reachNewest().then(() => void (this.#isKnown = true));
  }

  get #hasKeyAsSent(): boolean {
    const ofKey = this.#ofKey;
    if (ofKey === undefined) return this.#sent.key === undefined;
    return JSON.stringify(sentPrincipal(ofKey)) === JSON.stringify(this.#sent);
  }

  get #ofKey(): Principal | undefined {
    const { key, issuedMs } = this.#sent;
    return key === undefined ? undefined : this.#parts.keyPrincipal(key, issuedMs);
  }
}

/**
 * The pulls of the WebSockets of other hubs, at the hub that works on subscriptions. Its links end
 * when it works no more: the other hubs then reach the next one, and the leases of this one
 * have ended.
 */
export class PullHost implements HostedLinks<HubLink> {
  readonly #parts: PullHostParts;
  readonly #links = new Set<HubLink>();
  readonly #handlers = new Map<string, Handler>();
  readonly #closed: ((link: HubLink) => void)[] = [];

  constructor(parts: PullHostParts, shutdown: Pick<Shutdown, 'onDrain' | 'add'>) {
    this.#parts = parts;
    const { openPulls } = parts;
    hostPulls<HubLink>({ followers: this, openPulls, findSession: ({ sessions }, id) => sessions.get(id) });
    shutdown.onDrain(() => this.#close());
    shutdown.add('sockets', () => this.#close());
  }

  on(name: string, handler: Handler): void {
    this.#handlers.set(name, handler);
  }

  onClosed(listener: (link: HubLink) => void): void {
    this.#closed.push(listener);
  }

  /** Another hub opens a link. */
  accept(connection: Duplex, head: Buffer): void {
    withErrorListener(connection);
    if (this.#parts.subscriptions.hasLeft) return void connection.destroy();
    if (head.length > 0) connection.unshift(head);
    connection.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${PULLS_PROTOCOL}\r\n\r\n`);
    const channel = new ProcessChannel(
      connection,
      (name) => (body) => this.#handle(link, name, body),
      (error, message) => this.#parts.logger.error({ error, message }, 'cluster: message of a hub failed'),
    );
    const link: HubLink = { channel, sessions: new Map(), onBeat: keepBeating(channel) };
    this.#links.add(link);
    channel.onClose(() => {
      this.#links.delete(link);
      for (const listener of this.#closed) listener(link);
    });
  }

  #handle(link: HubLink, name: string, body: Buffer): ReturnType<Handler> {
    if (name === 'beat') return link.onBeat();
    if (name === 'pull-session') {
      const { session, principal } = decodeJson<AnnouncedSession>(body);
      return void link.sessions.set(session, new HubSession(principal, this.#parts));
    }
    if (name === 'pull-close') link.sessions.delete(decodeJson(body));
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw new Error(`No part of this hub handles the message ${name}.`);
    return name === 'pull' ? this.#run(link, body, handler) : handler(link, body);
  }

  /** @throws PolycastError */
  async #run(link: HubLink, body: Buffer, handler: Handler): Promise<Buffer | void> {
    await this.#untilWorking(link);
    const { session } = decodeJson<{ session: string }>(body);
    if (!link.sessions.has(session)) throw new PolycastError('log_unavailable', 'The session has ended.');
    return handler(link, body);
  }

  /** A hub that has just got the lease begins in a moment. One that lost it never works again. */
  async #untilWorking({ channel }: HubLink): Promise<void> {
    const { subscriptions } = this.#parts;
    const untilMs = performance.now() + OWNER_WAIT_MS;
    while (!subscriptions.isWorking) {
      if (subscriptions.hasLeft || !channel.isOpen || performance.now() > untilMs) {
        channel.close();
        throw noOwner();
      }
      await subscriptions.changed(untilMs - performance.now());
    }
    // The link has closed meanwhile: nothing would end a pull that begins now.
    if (!channel.isOpen) throw noOwner();
  }

  #close(): void {
    for (const { channel } of this.#links) channel.close();
  }
}
