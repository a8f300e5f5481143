import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { LaneName, WireFault, WireRecord } from './records.ts';
import { nowMs } from './records.ts';
import { WireConnection } from './wire-connection.ts';

/** A browser opens at most six connections to one origin; the rest is room for several tabs. */
const CONNECTIONS_PER_LANE_MAX = 64;

/** How long a fault may last. */
export const FAULT_DURATION_MS_MAX = 60_000;

/**
 * One lane's wire: a TCP proxy on a loopback port of its own in front of the hub. It changes no byte; it tells what
 * passes, and it can break the way a network does.
 */
export class Wire {
  readonly lane: LaneName;
  readonly #hubPort: () => number;
  readonly #onRecord: (record: WireRecord) => void;
  readonly #server: Server;
  readonly #connections = new Set<WireConnection>();
  readonly #faults = new Map<WireFault, NodeJS.Timeout>();

  private constructor(lane: LaneName, hubPort: () => number, onRecord: (record: WireRecord) => void) {
    this.lane = lane;
    this.#hubPort = hubPort;
    this.#onRecord = onRecord;
    // Half-open, because the proxy must pass on an end as it passes on bytes: when it comes, and in one direction.
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      if (this.#faults.has('cut')) {
        socket.on('error', () => {}).resetAndDestroy();
        this.#onRecord({ kind: 'refused', lane, atMs: nowMs(), by: 'cut' });
        return;
      }
      const connection: WireConnection = new WireConnection({
        lane,
        client: socket,
        hubPort: this.#hubPort(),
        onRecord,
        onClose: () => this.#connections.delete(connection),
      });
      this.#connections.add(connection);
      connection.setStalled(this.#faults.has('stall'));
      connection.setSlow(this.#faults.has('slow'));
    });
    this.#server.maxConnections = CONNECTIONS_PER_LANE_MAX;
  }

  /** Opens on a free port of 127.0.0.1. `hubPort` is asked anew for each connection. */
  static async open(lane: LaneName, hubPort: () => number, onRecord: (record: WireRecord) => void): Promise<Wire> {
    const wire = new Wire(lane, hubPort, onRecord);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks the wire for a while; the same fault again begins anew. `durationMs` is at most FAULT_DURATION_MS_MAX. */
  breakFor(fault: WireFault, durationMs: number): void {
    const boundedMs = Math.min(durationMs, FAULT_DURATION_MS_MAX);
    clearTimeout(this.#faults.get(fault));
    this.#faults.set(fault, setTimeout(() => this.heal(fault), boundedMs).unref());
    const atMs = nowMs();
    this.#onRecord({ kind: 'fault', lane: this.lane, fault, atMs, untilMs: atMs + boundedMs });
    this.#apply(fault, true);
  }

  heal(fault: WireFault): void {
    const timer = this.#faults.get(fault);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#faults.delete(fault);
    this.#onRecord({ kind: 'healed', lane: this.lane, fault, atMs: nowMs() });
    this.#apply(fault, false);
  }

  async close(): Promise<void> {
    for (const timer of this.#faults.values()) clearTimeout(timer);
    this.#faults.clear();
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) connection.cut();
    await closed;
  }

  #apply(fault: WireFault, broken: boolean): void {
    for (const connection of this.#connections) {
      if (fault === 'stall') connection.setStalled(broken);
      else if (fault === 'slow') connection.setSlow(broken);
      else if (broken) connection.cut();
    }
  }
}
