import { isIPv6, connect as netConnect, type Socket } from 'node:net';
import { OutgoingError } from './outgoing-error.ts';

/** An HTTP proxy that outgoing connections must use. */
export interface Proxy {
  /** An http or https URL. A user name and password in it are sent as Basic. */
  readonly url: string;
  /**
   * The target of CONNECT. `address`: the first of the checked addresses. `name`: the host name,
   * which the proxy looks up itself.
   */
  readonly connectTo: 'address' | 'name';
}

/** The route of outgoing requests (`outgoing` in the configuration). */
export interface RouteSettings {
  /** The name servers to ask. Empty: the system's. */
  readonly nameServers: readonly string[];
  readonly proxy: string | null;
  readonly proxyConnectTo: Proxy['connectTo'];
}

export function proxyOf({ proxy, proxyConnectTo }: RouteSettings): Proxy | undefined {
  return proxy === null ? undefined : { url: proxy, connectTo: proxyConnectTo };
}

/** The destination behind the proxy. All of its addresses have been checked. */
interface TunnelDestination {
  readonly hostname: string;
  readonly port: number;
  readonly addresses: readonly string[];
}

/**
 * Connects to the proxy, and opens a tunnel with CONNECT (RFC 9110, section 9.3.6). The proxy's
 * error text is hidden from users who chose the address.
 */
export async function openTunnel(
  proxy: Proxy,
  destination: TunnelDestination,
  track: (socket: Socket) => Socket,
): Promise<Socket> {
  const { hostname, port, protocol, username, password } = new URL(proxy.url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const options = { host, port: Number(port || (protocol === 'https:' ? 443 : 80)), noDelay: true, keepAlive: true };
  // Not by an import, which would load TLS at each start.
  const socket = track(
    protocol === 'https:'
      ? process.getBuiltinModule('node:tls').connect({ ...options, servername: host })
      : netConnect(options),
  );
  const target = proxy.connectTo === 'name' ? destination.hostname : (destination.addresses[0] as string);
  const authority = `${isIPv6(target) ? `[${target}]` : target}:${destination.port}`;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization =
    username === '' ? '' : `Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`);
  const status = await readHead(socket);
  if (status >= 200 && status < 300) return socket;
  throw new OutgoingError('connection', `the proxy would not connect to ${destination.hostname}`);
}

const HEAD_BYTES_MAX = 16_384;

/**
 * Reads the head of the proxy's answer and returns its status. Further bytes go back to the socket.
 */
function readHead(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const fail = (): void => {
      stop();
      reject(new OutgoingError('connection', 'the proxy is not reachable, or it closed the connection'));
    };
    const read = (): void => {
      for (let piece = socket.read() as Buffer | null; piece !== null; piece = socket.read() as Buffer | null) {
        head = Buffer.concat([head, piece]);
        const end = head.indexOf('\r\n\r\n');
        if (end !== -1) return done(end);
        if (head.length > HEAD_BYTES_MAX) return fail();
      }
    };
    const done = (end: number): void => {
      const [, status] = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head.toString('latin1', 0, end + 2)) ?? [];
      if (status === undefined) return fail();
      stop();
      if (head.length > end + 4) socket.unshift(head.subarray(end + 4));
      resolve(Number(status));
    };
    const stop = (): void => {
      socket.off('readable', read).off('error', fail).off('end', fail).off('close', fail);
    };
    socket.on('readable', read).on('error', fail).on('end', fail).on('close', fail);
  });
}
