import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { LaneName, WireFault, WireRecord } from './records.ts';
import { nowMs } from './records.ts';
import { resetConnection, WireConnection } from './wire-connection.ts';

/**
 * The bound on connections. A browser opens at most six to one origin; the rest is for several
 * tabs.
 */
const CONNECTIONS_PER_LANE_MAX = 64;

/** The longest duration of a fault. */
export const FAULT_DURATION_MS_MAX = 60_000;

/**
 * A wire is the TCP proxy of one lane, on its own loopback port in front of the hub. It changes no
 * byte. It reports the bytes that pass, and it can fail as a network does. Example:
 * `breakFor('stall', 3000)` moves no byte for 3 s.
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
    // Half-open, because the proxy must forward an end as it forwards bytes: in one direction, when
    // it arrives.
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      if (this.#faults.has('cut')) {
        resetConnection(socket.on('error', () => {}));
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

  /** Opens a wire on a free port of 127.0.0.1. `hubPort` is called for each connection. */
  static async open(lane: LaneName, hubPort: () => number, onRecord: (record: WireRecord) => void): Promise<Wire> {
    const wire = new Wire(lane, hubPort, onRecord);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Starts a fault for `durationMs`, at most FAULT_DURATION_MS_MAX. The same fault again restarts
   * its time.
   */
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
