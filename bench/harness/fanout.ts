// Contenders of the scenarios in which one event goes to many readers.
import type { Peer, Transport } from '../peers/peer.ts';
import { type LoadOptions, type LoadRun, runLoad } from './load.ts';
import { type Bar, type Column, type Contender, metricOf, type Series, withServer } from './scenario.ts';

export function fanoutContenders(peers: readonly Peer[], transport: Transport, load: LoadOptions): Contender[] {
  return peers
    .filter((peer) => peer.subscribeOptions(transport) !== undefined)
    .map((peer) => ({ name: peer.name, peer, run: () => runFanout(peer, transport, load) }));
}

export function runFanout(
  peer: Peer,
  transport: Transport,
  load: LoadOptions,
  core?: number | string,
): Promise<LoadRun> {
  return withServer(peer, (server) =>
    runLoad(
      'fanout',
      {
        port: server.port,
        pids: server.process.pids().join(','),
        transport,
        ...peer.subscribeOptions(transport),
        ...peer.publishOptions(),
        ...load,
      },
      core,
    ),
  );
}

export const deliveryColumns: readonly Column[] = [
  { title: 'deliveries/s', figure: 'deliveriesPerSecond' },
  { title: 'CPU, µs a delivery', figure: 'serverCpuMicrosecondsPerDelivery' },
  { title: 'p50, µs', figure: 'latencyP50Microseconds' },
  { title: 'p99, µs', figure: 'latencyP99Microseconds' },
  { title: 'missing', figure: 'missingDeliveries' },
];

/** A result is valid only if no event was lost, so each scenario has this limit too. */
export function nothingLost(series: readonly Series[], name: string): Bar {
  const runs = series.find((one) => one.name === name)?.runs ?? [];
  const lost = runs.reduce(
    (total, run) =>
      total + (run['missingDeliveries'] ?? 0) + (run['surplusDeliveries'] ?? 0) + (run['refusedPublishes'] ?? 0),
    0,
  );
  return {
    title: `${name}: missing or repeated deliveries and refused publishes, all runs`,
    figure: Number.isNaN(metricOf(series, name, 'deliveries')) ? Number.NaN : lost,
    atMost: 0,
    unit: '',
  };
}
