// Contenders for the scenarios in which events go out to many readers.
import type { Peer, Transport } from "../peers/peer.ts";
import { type LoadRun, runLoad } from "./load.ts";
import { type Bar, type Contender, figureOf, type Series, withServer } from "./scenario.ts";

export function fanoutContenders(
  peers: readonly Peer[],
  transport: Transport,
  words: readonly (string | number)[],
): Contender[] {
  return peers
    .filter((peer) => peer.subscribeWords(transport) !== undefined)
    .map((peer) => ({ name: peer.name, peer, run: () => runFanout(peer, transport, words) }));
}

export function runFanout(peer: Peer, transport: Transport, words: readonly (string | number)[]): Promise<LoadRun> {
  return withServer(peer, (server) =>
    runLoad("fanout", [
      "--port", server.port,
      "--pids", server.process.pids().join(","),
      ...(peer.subscribeWords(transport) ?? []),
      ...peer.publishWords(),
      ...words,
    ]),
  );
}

/** No figure counts if an event was lost on the way: this bar stands beside the others. */
export function nothingLost(series: readonly Series[], name: string): Bar {
  const runs = series.find((one) => one.name === name)?.runs ?? [];
  const lost = runs.reduce(
    (total, run) => total + (run["missingDeliveries"] ?? 0) + (run["surplusDeliveries"] ?? 0) + (run["refusedPublishes"] ?? 0),
    0,
  );
  return {
    title: `${name}: deliveries missing or twice, publishes refused, over all runs`,
    figure: Number.isNaN(figureOf(series, name, "deliveries")) ? Number.NaN : lost,
    atMost: 0,
    unit: "",
  };
}
