import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import {
  NatsConnectionImpl,
  setTransportFactory,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { nodeResolveHost, NodeTransport } from '@nats-io/transport-node/lib/node_transport.js';

/**
 * One TCP connection to a broker. If the client's own transport is closed before the broker has
 * greeted it, its socket stays open. A broker that stands still accepts connections, and says
 * nothing. Such a socket holds back the end of the process.
 */
class BrokerTransport extends NodeTransport {
  override async dial({ hostname, port }: { readonly hostname: string; readonly port: number }): Promise<Socket> {
    // `discard` ends it, also before it is connected.
    this.socket = createConnection({ port, host: hostname, noDelay: true });
    await once(this.socket, 'connect');
    return this.socket;
  }

  /** The client then has no listener for errors until it has read the files for TLS. */
  override async peekInfo(): ReturnType<NodeTransport['peekInfo']> {
    const info = await super.peekInfo();
    this.socket.on('error', () => undefined);
    return info;
  }

  override async close(error?: Error): Promise<void> {
    await super.close(error);
    this.discard();
  }
}

/** Connects as the client does, with transports that end when they are closed. */
export function connectClient(options: NodeConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new BrokerTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}
