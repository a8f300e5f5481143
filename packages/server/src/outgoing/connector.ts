import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import { isLocalName, type Destinations } from './destinations.ts';
import { OutgoingError } from './outgoing-error.ts';

/** All addresses of a name, each once. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

/** How a connection is made beside where to. */
export interface ConnectorOptions {
  readonly destinations: Destinations;
  readonly resolve: Resolve;
  /** Authorities beside the system's, in PEM. */
  readonly authorities?: readonly string[] | undefined;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Connects to nothing but what may be reached. A name is looked up once, every address of it is checked, and the connection goes to
 * those very addresses: what the name says a moment later plays no part.
 */
export function createConnector({ destinations, resolve, authorities }: ConnectorOptions): Connector {
  const connecting = new Set<Socket>();
  const connector: buildConnector.connector = (options, callback) => {
    const port = Number(options.port === '' ? (options.protocol === 'https:' ? 443 : 80) : options.port);
    const check = (address: string): OutgoingError | undefined =>
      destinations.permits(options.hostname, address, port) ? undefined : closed(options.hostname, port);
    // Node asks no one about an address that is written out.
    const refusal = isIP(bare(options.hostname)) === 0 ? undefined : check(bare(options.hostname));
    if (refusal !== undefined) return callback(refusal, null);
    const connect = buildConnector({
      allowH2: false,
      timeout: CONNECT_TIMEOUT_MS,
      rejectUnauthorized: true,
      lookup: checkedLookup(resolve, check),
      ...(authorities === undefined ? {} : { ca: [...authorities] }),
    });
    // It gives the socket back, which its declaration leaves out.
    const attempt = connect(options, (error, socket) => {
      connecting.delete(attempt);
      if (error !== null) return callback(error, null);
      const late = check(socket.remoteAddress ?? '');
      if (late === undefined) return callback(null, socket);
      socket.destroy();
      callback(late, null);
    }) as unknown as Socket;
    connecting.add(attempt);
  };
  return {
    connector,
    close: () => {
      for (const attempt of connecting)
        attempt.destroy(new OutgoingError('connection', 'closed while it was connecting'));
    },
  };
}

export interface Connector {
  readonly connector: buildConnector.connector;
  /** Gives up whatever is still connecting. */
  close(): void;
}

/** The system's own resolver: files, then name servers. */
export const systemResolve: Resolve = (name) =>
  new Promise((resolve, reject) =>
    systemLookup(name, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error))),
  );

function checkedLookup(resolve: Resolve, check: (address: string) => OutgoingError | undefined): LookupFunction {
  return (name, { all }, done) => {
    const found = (addresses: readonly LookupAddress[]): void => {
      const [first] = addresses;
      if (first === undefined) return done(new OutgoingError('name_not_found', `${name} has no address`), '');
      // One that must not be reached spoils all: whoever put it there meant it to be tried.
      for (const { address } of addresses) {
        const refusal = check(address);
        if (refusal !== undefined) return done(refusal, '');
      }
      if (all === true) done(null, [...addresses]);
      else done(null, first.address, first.family);
    };
    const missed = (error: unknown): void =>
      done(new OutgoingError('name_not_found', `${name} is not known`, error), '');
    if (isLocalName(name)) found(LOCAL_ADDRESSES);
    else resolve(name).then(found, missed);
  };
}

const LOCAL_ADDRESSES: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

function closed(host: string, port: number): OutgoingError {
  return new OutgoingError(
    'destination',
    `${host} on port ${port} must not be reached from here (see outgoing.allow in the configuration)`,
  );
}

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
