import { isIP, connect as netConnect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { buildConnector } from 'undici';
import { specialKind } from './destinations/addresses.ts';
import { containErrors } from './contain.ts';
import { isLocalName, type Destinations } from './destinations/destinations.ts';
import { connectionFailure, OutgoingError } from './outgoing-error.ts';
import type { ResolveName } from './destinations/name-resolver.ts';
import { TlsSessions } from './tls-sessions.ts';
import { openTunnel, type Proxy } from './tunnel.ts';

/** How a connection is made beside where to. */
export interface ConnectorOptions {
  readonly destinations: Destinations;
  readonly resolve: ResolveName;
  /** Authorities beside the system's, in PEM. */
  readonly authorities?: readonly string[] | undefined;
  /** By which public addresses are reached; others are always reached directly. */
  readonly proxy?: Proxy | undefined;
  /** Is told of an error that the HTTP client has thrown in an event of a socket which `forUndici` gave it. */
  readonly onClientError: (error: unknown) => void;
  /** Opens a socket to addresses that were checked; another one for tests. */
  readonly dial?: Dial | undefined;
}

/** Begins to connect; the addresses stand in `lookup`, and no others are used. */
export type Dial = (options: TcpNetConnectOpts) => Socket;

/** Where to. */
export interface Peer {
  readonly protocol: string;
  /** Without brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** A connection, and how long each part of it took, in milliseconds. */
export interface EstablishedConnection {
  readonly socket: Socket;
  /** 0 for an address that was written out. */
  readonly nameMs: number;
  readonly connectMs: number;
  readonly tlsMs: number | undefined;
  /** What was connected to is no public address: an entry of the allow list, or this machine, has opened it. */
  readonly isPrivateAddress: boolean;
}

/** A connection that is being made. */
export interface PendingConnection {
  readonly done: Promise<EstablishedConnection>;
  /** Gives it up: `done` rejects with this. Once `done` is settled this does nothing, as the socket has another owner. */
  cancel(error: OutgoingError): void;
}

/**
 * Connects to nothing but what may be reached. A name is looked up once, every address of it is checked, and the connection goes to
 * those very addresses: what the name says a moment later plays no part.
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

  /** The same in the form that undici asks for, and not for long. */
  readonly forUndici: buildConnector.connector = (options, callback) => {
    const connecting = this.connect(peerOf(options));
    const timer = setTimeout(
      () => connecting.cancel(new OutgoingError('connection', 'it took too long')),
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

  /** Gives up whatever is still connecting. */
  close(): void {
    for (const attempt of this.#connecting)
      attempt.cancel(new OutgoingError('connection', 'closed while it was connecting'));
  }
}

/** Where undici wants to be connected to. */
export function peerOf({ hostname, protocol, port }: buildConnector.Options): Peer {
  return { protocol, hostname, port: Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port) };
}

/** Says what came of it. */
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
/** Dead peers are noticed by the system after about so long. */
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
      // From here on the HTTP client owns the socket. Whoever else destroyed it would do so unnoticed by that.
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

  /** All that the host leads to. One that must not be reached spoils all: whoever put it there meant it to be tried. */
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
    const socket = tlsConnect({
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

  /** Given up with the attempt. What happens to it between two listeners must not bring the hub down. */
  #track<Kind extends Socket>(socket: Kind): Kind {
    socket.on('error', () => undefined);
    this.#socket = socket;
    if (this.#isDone) socket.destroy();
    return socket;
  }
}

async function addressesOf(peer: Peer, resolve: ResolveName): Promise<readonly string[]> {
  const { hostname } = peer;
  // Node asks no one about an address that is written out.
  if (isIP(hostname) !== 0) return [hostname];
  if (isLocalName(hostname)) return ['127.0.0.1', '::1'];
  try {
    return (await resolve(hostname)).map(({ address }) => address);
  } catch (error) {
    throw unknownNameError(peer, 'is not known', error);
  }
}

function waitForEvent(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

/** The other side accepted the connection, and closed it before anything was sent. */
export function closedEarlyError(hostname: string): OutgoingError {
  return new OutgoingError('connection', `${hostname} could not be reached, or went away`);
}

/**
 * The hub's own log is told that a name is unknown. Others are told the same as of a name that leads inside: they are not to find out
 * which names exist there.
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
