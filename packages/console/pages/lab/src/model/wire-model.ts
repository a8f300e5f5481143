import { Connection } from './connection.ts';
import { responderOf } from './sides.ts';
import type { Exchange, WireEntry } from './exchange.ts';
import type { CloseCause, Fault, HubAction, LaneName, WireRecord } from './records.ts';

/** The maximum number of entries in memory. Above it the oldest are removed. */
const ENTRIES_PER_LANE_MAX = 400;
const EXCHANGES_PER_LANE_MAX = 1_500;

/** The exchanges and entries of one lane's wire since the order began. */
export interface LaneWire {
  readonly exchanges: Exchange[];
  readonly entries: WireEntry[];
  /** Connections that were reset before the first byte. */
  readonly refusals: { readonly atMs: number; readonly by: CloseCause }[];
  readonly faults: FaultSpan[];
  /** Incremented with every entry. */
  version: number;
}

export interface FaultSpan {
  readonly fault: Fault;
  readonly fromMs: number;
  /** The end of the fault, past or planned. */
  toMs: number;
}

/** A time during which the hub was down, or a process of its cluster. */
export interface HubSpan {
  readonly action: HubAction;
  readonly fromMs: number;
  toMs: number | undefined;
}

/**
 * Makes exchanges out of records. It ignores exchanges of other channels: other tabs use the same
 * wires, and a browser shares its connections between tabs.
 */
export class WireModel {
  lanes: Readonly<Record<LaneName, LaneWire>> = emptyLanes();
  hubSpans: HubSpan[] = [];
  #channel: string | undefined;
  /** Connections outlive an order, because the browser keeps them alive. */
  readonly #connections = new Map<number, Connection>();
  #numbers = 0;
  /** Exchanges with lower numbers belong to an earlier order. */
  #firstNumber = 0;

  /** Clears the model for another channel. */
  watch(channel: string): void {
    this.#channel = channel;
    this.#firstNumber = this.#numbers + 1;
    this.lanes = emptyLanes();
    this.hubSpans = [];
  }

  /** Later records, such as the ends of open exchanges, do not change the display. */
  freeze(): void {
    this.#channel = undefined;
    this.lanes = structuredClone(this.lanes);
  }

  apply(record: WireRecord): void {
    if (record.kind === 'bytes') this.#applyBytes(record);
    else if (record.kind === 'close') this.#close(record);
    else if (record.kind === 'hub') this.#applyHub(record);
    else if (record.kind !== 'open' && record.kind !== 'received') this.#applyTrouble(record);
  }

  #applyBytes({ lane, connection: number, direction, bytes, atMs }: WireRecord & { kind: 'bytes' }): void {
    let connection = this.#connections.get(number);
    if (connection === undefined) {
      // A connection older than this page's records can be followed from its next request on.
      if (direction === 'down' || !/^[A-Z]+ \//.test(bytes)) return;
      connection = new Connection(lane, {
        begin: (exchange) => this.#begin(exchange),
        addEntry: (entry) => this.#enter(lane, entry),
      });
      this.#connections.set(number, connection);
    }
    connection.feed(direction, bytes, atMs);
  }

  #begin(begun: Omit<Exchange, 'number'>): Exchange | undefined {
    if (this.#channel === undefined || !begun.target.includes(this.#channel)) return undefined;
    const exchange: Exchange = { ...begun, number: ++this.#numbers };
    const { exchanges } = this.lanes[exchange.lane];
    exchanges.push(exchange);
    if (exchanges.length > EXCHANGES_PER_LANE_MAX) exchanges.shift();
    return exchange;
  }

  #enter(lane: LaneName, entry: Omit<WireEntry, 'number'>): void {
    if (this.#channel === undefined || (entry.exchange !== 0 && entry.exchange < this.#firstNumber)) return;
    const wire = this.lanes[lane];
    wire.version++;
    wire.entries.push({ ...entry, number: ++this.#numbers });
    if (wire.entries.length > ENTRIES_PER_LANE_MAX) wire.entries.splice(0, ENTRIES_PER_LANE_MAX / 4);
  }

  #close({ connection, by, atMs }: WireRecord & { kind: 'close' }): void {
    this.#connections.get(connection)?.close(by, atMs);
    this.#connections.delete(connection);
  }

  #applyTrouble(record: WireRecord & { kind: 'refused' | 'fault' | 'healed' }): void {
    if (this.#channel === undefined && record.kind === 'refused') return;
    const { lane, atMs } = record;
    const { refusals, faults } = this.lanes[lane];
    if (record.kind === 'refused') {
      refusals.push({ atMs, by: record.by });
      this.#note(
        lane,
        atMs,
        record.by === 'hub' ? `The ${responderOf(lane)} is down: connection refused.` : 'No network: connection reset.',
      );
    } else if (record.kind === 'fault') {
      faults.push({ fault: record.fault, fromMs: atMs, toMs: record.untilMs });
      this.#note(lane, atMs, FAULT_NOTES[record.fault]);
    } else {
      const span = faults.findLast(({ fault }) => fault === record.fault);
      if (span !== undefined) span.toMs = atMs;
      this.#note(lane, atMs, lane === 'webhook' ? 'The receiver works again.' : 'The network works again.');
    }
  }

  #note(lane: LaneName, atMs: number, text: string): void {
    this.#enter(lane, { exchange: 0, direction: 'note', atMs, kind: 'note', label: '', text, byteCount: 0 });
  }

  #applyHub({ action, change, atMs }: WireRecord & { kind: 'hub' }): void {
    if (change === 'begins') {
      this.hubSpans.push({ action, fromMs: atMs, toMs: undefined });
      return;
    }
    const span = this.hubSpans.findLast((each) => each.action === action);
    if (span !== undefined) span.toMs = atMs;
  }
}

const FAULT_NOTES: Readonly<Record<Fault, string>> = {
  cut: 'The network is cut.',
  stall: 'The network stalls: connections stay open, and not a byte moves.',
  slow: 'The network is slow: 350 ms late, 2 kB a second.',
  busy: 'The receiver is slow: it takes three seconds for each event.',
  failing: 'The receiver is failing: it answers 500.',
};

function emptyLanes(): Record<LaneName, LaneWire> {
  return {
    'short-poll': emptyLane(),
    'long-poll': emptyLane(),
    sse: emptyLane(),
    websocket: emptyLane(),
    webhook: emptyLane(),
  };
}

function emptyLane(): LaneWire {
  return { exchanges: [], entries: [], refusals: [], faults: [], version: 0 };
}
