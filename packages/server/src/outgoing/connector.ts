import { isIP, connect as netConnect, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { buildConnector } from 'undici';
import { specialKind } from './destinations/addresses.ts';
import { containErrors } from './contain.ts';
import { isLocalName, type Destinations } from './destinations/destinations.ts';
import { connectionFailure, OutgoingError } from './outgoing-error.ts';
import type { ResolveName } from './destinations/name-resolver.ts';
import { TlsSessions } from './tls-sessions.ts';
import { openTunnel, type Proxy } from './tunnel.ts';

/** The options of all connections. */
export interface ConnectorOptions {
  readonly destinations: Destinations;
  readonly resolve: ResolveName;
  /** Certificate authorities beside the system's, in PEM. */
  readonly authorities?: readonly string[] | undefined;
  /** The proxy for public addresses. Connections to other addresses are always direct. */
  readonly proxy?: Proxy | undefined;
  /** Called with an error that the HTTP client threw in an event of a socket from `forUndici`. */
  readonly onClientError: (error: unknown) => void;
  /** Opens a socket to checked addresses. Tests replace it. */
  readonly dial?: Dial | undefined;
}

/** Starts a connection. `lookup` returns the addresses, and no others are used. */
export type Dial = (options: TcpNetConnectOpts) => Socket;

/** The peer to connect to. */
export interface Peer {
  readonly protocol: string;
  /** An IPv6 address has no brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** An open connection, and the durations of its steps in milliseconds. */
export interface EstablishedConnection {
  readonly socket: Socket;
  /** The time of the name look-up. About 0 for an IP address in the URL. */
  readonly nameMs: number;
  readonly connectMs: number;
  readonly tlsMs: number | undefined;
  /** The peer has no public address. An entry of the allow list permits it. */
  readonly isPrivateAddress: boolean;
}

/** A connection in progress. */
export interface PendingConnection {
  readonly done: Promise<EstablishedConnection>;
  /**
   * Cancels the connection: `done` rejects with the error. After `done` has settled it does
   * nothing, because the socket has another owner.
   */
  cancel(error: OutgoingError): void;
}

/**
 * Opens connections to permitted addresses only. It looks up a name once and checks every address
 * of it. It connects to those very addresses, so a later change of the name has no effect.
 */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #sessions = new TlsSessions();
  readonly #connecting = new Set<PendingConnection>();

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  connect(peer: Peer): PendingConnection {
    const attempt = new ConnectionAttempt(peer, this.#options, this.#sessions);
    this.#connecting.add(attempt);
    const forget = (): void => void this.#connecting.delete(attempt);
    attempt.done.then(forget, forget);
    return attempt;
  }

  /** `connect` in undici's form, with a time limit. */
  readonly forUndici: buildConnector.connector = (options, callback) => {
    const connecting = this.connect(peerOf(options));
    const timer = setTimeout(
      () => connecting.cancel(new OutgoingError('connection', 'it timed out')),
      CONNECT_TIMEOUT_MS,
    );
    void reportOutcome(connecting, (error, connected) => {
      clearTimeout(timer);
      if (error !== null) return callback(error, null);
      const { socket } = connected;
      if (socket.destroyed) callback(closedEarlyError(options.hostname), null);
      else callback(null, containErrors(socket, this.#options.onClientError));
    });
  };

  /** Cancels all connections in progress. */
  close(): void {
    for (const attempt of this.#connecting)
      attempt.cancel(new OutgoingError('connection', 'closed while it was connecting'));
  }
}

/** Returns the peer in undici's options. */
export function peerOf({ hostname, protocol, port }: buildConnector.Options): Peer {
  return { protocol, hostname, port: Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port) };
}

/** Reports the outcome of a connection, once. */
export async function reportOutcome(
  { done }: PendingConnection,
  report: (...outcome: [error: null, connected: EstablishedConnection] | [error: Error, connected: null]) => void,
): Promise<void> {
  const outcome = await done.then(
    (connected) => [null, connected] as const,
    (error: Error) => [error, null] as const,
  );
  report(...outcome);
}

const CONNECT_TIMEOUT_MS = 10_000;
/** The idle time before the system probes for a dead peer. */
const KEEP_ALIVE_DELAY_MS = 60_000;

class ConnectionAttempt implements PendingConnection {
  readonly done: Promise<EstablishedConnection>;
  readonly #peer: Peer;
  readonly #options: ConnectorOptions;
  readonly #sessions: TlsSessions;
  readonly #cancelled = Promise.withResolvers<never>();
  #socket: Socket | undefined;
  #isDone = false;

  constructor(peer: Peer, options: ConnectorOptions, sessions: TlsSessions) {
    this.#peer = peer;
    this.#options = options;
    this.#sessions = sessions;
    this.done = Promise.race([this.#run(), this.#cancelled.promise]);
  }

  readonly cancel = (error: OutgoingError): void => {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#cancelled.reject(error);
    this.#socket?.destroy();
  };

  async #run(): Promise<EstablishedConnection> {
    try {
      const { hostname, port, protocol } = this.#peer;
      const begunMs = performance.now();
      const addresses = await this.#addresses();
      const namedMs = performance.now();
      const { destinations } = this.#options;
      const proxy = addresses.every((address) => specialKind(address) === undefined) ? this.#options.proxy : undefined;
      const plain = await (proxy === undefined ? this.#dial(addresses) : this.#tunnel(proxy, addresses));
      const connectedMs = performance.now();
      if (proxy === undefined && !destinations.permits(hostname, plain.remoteAddress ?? '', port))
        throw destinationError(this.#peer);
      const socket = protocol === 'https:' ? await this.#secure(plain) : plain;
      if (this.#isDone) throw new Error('given up');
      // From here on the HTTP client owns the socket. It would not notice if another owner
      // destroyed it.
      this.#isDone = true;
      this.#socket = undefined;
      return {
        socket,
        nameMs: namedMs - begunMs,
        connectMs: connectedMs - namedMs,
        tlsMs: protocol === 'https:' ? performance.now() - connectedMs : undefined,
        isPrivateAddress: addresses.some((address) => destinations.isInside(address)),
      };
    } catch (error) {
      this.#isDone = true;
      this.#socket?.destroy();
      throw connectionFailure(error, this.#peer.hostname);
    }
  }

  /**
   * Returns all addresses of the host. One forbidden address refuses all of them: its owner put it
   * there so that the hub would try it.
   */
  async #addresses(): Promise<readonly string[]> {
    const { hostname, port } = this.#peer;
    const addresses = await addressesOf(this.#peer, this.#options.resolve);
    if (addresses.length === 0) throw unknownNameError(this.#peer, 'has no address');
    if (!addresses.every((address) => this.#options.destinations.permits(hostname, address, port)))
      throw destinationError(this.#peer);
    return addresses;
  }

  #tunnel(proxy: Proxy, addresses: readonly string[]): Promise<Socket> {
    const { hostname, port } = this.#peer;
    return openTunnel(proxy, { hostname, port, addresses }, (socket) => this.#track(socket));
  }

  async #dial(addresses: readonly string[]): Promise<Socket> {
    const { hostname, port } = this.#peer;
    const { dial = netConnect } = this.#options;
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    const socket = this.#track(
      dial({
        host: isIP(hostname) === 0 ? hostname : (addresses[0] as string),
        port,
        autoSelectFamily: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
        lookup: (_name, { all }, done) => {
          const [first] = found as [(typeof found)[0]];
          if (all === true) done(null, found);
          else done(null, first.address, first.family);
        },
      }),
    );
    await waitForEvent(socket, 'connect');
    return socket;
  }

  async #secure(plain: Socket): Promise<Socket> {
    const { hostname, port } = this.#peer;
    const { authorities } = this.#options;
    const name = hostname.replace(/\.$/, '');
    const key = `${name}:${port}`;
    // Not by an import, which would load TLS at each start.
    const socket = process.getBuiltinModule('node:tls').connect({
      socket: plain,
      host: name,
      servername: isIP(name) === 0 ? name : '',
      session: this.#sessions.get(key),
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      ...(authorities === undefined ? {} : { ca: [...authorities] }),
    });
    this.#track(socket);
    socket.on('session', (session) => this.#sessions.set(key, session));
    await waitForEvent(socket, 'secureConnect');
    return socket;
  }

  /**
   * Records a socket, so that `cancel` destroys it. An error between two listeners must not end the
   * hub's process.
   */
  #track<Kind extends Socket>(socket: Kind): Kind {
    socket.on('error', () => undefined);
    this.#socket = socket;
    if (this.#isDone) socket.destroy();
    return socket;
  }
}

async function addressesOf(peer: Peer, resolve: ResolveName): Promise<readonly string[]> {
  const { hostname } = peer;
  // Node does not look up an IP address.
  if (isIP(hostname) !== 0) return [hostname];
  if (isLocalName(hostname)) return ['127.0.0.1', '::1'];
  try {
    return (await resolve(hostname)).map(({ address }) => address);
  } catch (error) {
    throw unknownNameError(peer, 'does not exist', error);
  }
}

function waitForEvent(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

/** The peer accepted the connection and closed it before any request. */
export function closedEarlyError(hostname: string): OutgoingError {
  return new OutgoingError('connection', `${hostname} is not reachable, or it closed the connection`);
}

/**
 * The error for an unknown name. The hub's own log says that the name is unknown. Others receive
 * the same error as for a forbidden address, so that they cannot find out which internal names
 * exist.
 */
function unknownNameError(peer: Peer, problem: string, cause?: unknown): OutgoingError {
  const error = new OutgoingError('name_not_found', `${peer.hostname} ${problem}`, cause);
  error.publicError = destinationError(peer);
  return error;
}

function destinationError({ hostname, port }: Peer): OutgoingError {
  const isName = isIP(hostname) === 0;
  return new OutgoingError(
    'destination',
    `${hostname} on port ${port} ${isName ? 'is not known, or must' : 'must'} not be reached from here (see outgoing.allow in the configuration)`,
  );
}
