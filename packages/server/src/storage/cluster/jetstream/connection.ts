import { readFileSync } from 'node:fs';
import { credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import type { ClusterSettings } from '../../home.ts';
import { connectClient } from './broker-transport.ts';

/** The wait between two attempts to connect, and a random part of it. */
const RECONNECT_WAIT_MS = 50;
/** A broker that does not answer two pings is left after this time. */
const PING_INTERVAL_MS = 5_000;
/** The deadline of the first connection. */
const CONNECT_TIMEOUT_MS = 5_000;
/** The deadline of a connection that a hub can do without. */
const MOVE_TIMEOUT_MS = 1_000;

/** Connects to one of the brokers. Later the client reconnects by itself, for ever. */
export function connectToBrokers(settings: ClusterSettings, name: string): Promise<NatsConnection> {
  return connectTo(settings.nats, settings, name, CONNECT_TIMEOUT_MS);
}

/**
 * Connects to the broker that leads the journal. A block that a hub gives to another broker takes
 * two more ways between the brokers, so its publisher waits longer. A later election does not
 * move the hub: that would stop its publishers for a moment.
 * @param leader the broker's name
 * @returns the connection given, if the leader cannot be reached; else that one is closed
 */
export async function moveToLeader(
  connection: NatsConnection,
  leader: string | undefined,
  settings: ClusterSettings,
  name: string,
): Promise<NatsConnection> {
  if (leader === undefined || leader === connection.info?.server_name) return connection;
  for (const url of settings.nats) {
    const other = await connectTo([url], settings, name, MOVE_TIMEOUT_MS).catch(() => undefined);
    if (other?.info?.server_name === leader) {
      other.setServers([...settings.nats]);
      await connection.close();
      return other;
    }
    await other?.close();
  }
  return connection;
}

function connectTo(
  servers: readonly string[],
  { credentials, tls }: ClusterSettings,
  name: string,
  timeoutMs: number,
): Promise<NatsConnection> {
  return connectClient({
    servers: [...servers],
    name,
    timeout: timeoutMs,
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
