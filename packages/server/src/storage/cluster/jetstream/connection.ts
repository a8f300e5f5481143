import { readFileSync } from 'node:fs';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import type { ClusterSettings } from '../../home.ts';

/** The wait between two attempts to connect, and a random part of it. */
const RECONNECT_WAIT_MS = 50;
/** A broker that does not answer two pings is left after this time. */
const PING_INTERVAL_MS = 5_000;
/** The deadline of the first connection. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Connects to one of the brokers. Later the client reconnects by itself, for ever. */
export function connectToBrokers({ nats, credentials, tls }: ClusterSettings, name: string): Promise<NatsConnection> {
  return connect({
    servers: [...nats],
    name,
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_WAIT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(credentials !== null && { authenticator: credsAuthenticator(readFileSync(credentials)) }),
    ...tlsOptions(tls),
  });
}

function tlsOptions({ caFile, certificateFile, keyFile }: ClusterSettings['tls']): object {
  if (caFile === null && certificateFile === null) return {};
  return {
    tls: {
      ...(caFile !== null && { caFile }),
      ...(certificateFile !== null && { certFile: certificateFile }),
      ...(keyFile !== null && { keyFile }),
    },
  };
}
