import {
  CollectedAnswers,
  FLEET_BEAT_MS,
  HeardHubs,
  type Fleet,
  type FleetAnswers,
  type HubBeat,
  type QuestionListener,
} from '../../packages/server/src/storage/cluster/fleet.ts';
import type { SimulatedBroker } from './simulated-brokers.ts';
import type { SimulatedConnection } from './simulated-connection.ts';
import type { SimulatedProcess, VirtualTime } from './virtual-time.ts';

/** The hubs of a simulation, as they hear each other over their brokers. */
export class SimulatedFleets {
  readonly #time: VirtualTime;
  readonly #members = new Set<SimulatedFleet>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  connect(self: string, level: number | undefined, connection: SimulatedConnection, process: SimulatedProcess): Fleet {
    const member = new SimulatedFleet(this.#time, this, { self, level, connection, process });
    this.#members.add(member);
    return member;
  }

  disconnect(member: SimulatedFleet): void {
    this.#members.delete(member);
  }

  /** The other hubs whose brokers have a path from that of the sender. */
  reachedFrom(sender: SimulatedFleet): readonly SimulatedFleet[] {
    if (!sender.connection.isOpen) return [];
    const from = sender.connection.broker;
    return [...this.#members].filter((each) => each !== sender && hasPath(from, each.connection.broker));
  }
}

function hasPath(from: SimulatedBroker, to: SimulatedBroker): boolean {
  return from === to || (from.isUp && to.isUp && !from.isCutOff && !to.isCutOff);
}

interface FleetParts {
  readonly self: string;
  /** The feature level of an older version. */
  readonly level: number | undefined;
  readonly connection: SimulatedConnection;
  readonly process: SimulatedProcess;
}

class SimulatedFleet implements Fleet {
  readonly self: string;
  readonly messageBytesMax = 2 ** 20;
  readonly connection: SimulatedConnection;
  readonly #time: VirtualTime;
  readonly #fleets: SimulatedFleets;
  readonly #parts: FleetParts;
  readonly #heard = new HeardHubs();
  readonly #timer: NodeJS.Timeout;
  #own: Omit<HubBeat, 'hub'> | undefined;
  #onBeat: ((beat: HubBeat) => void) | undefined;
  #onText: ((text: string) => void) | undefined;
  #onQuestion: QuestionListener | undefined;
  #onBytes: ((from: string, data: Uint8Array) => void) | undefined;
  /** Texts of a sender arrive in their order. */
  readonly #arrivals = new Map<SimulatedFleet, number>();

  constructor(time: VirtualTime, fleets: SimulatedFleets, parts: FleetParts) {
    this.self = parts.self;
    this.connection = parts.connection;
    this.#time = time;
    this.#fleets = fleets;
    this.#parts = parts;
    this.#timer = setInterval(() => this.#beat(), FLEET_BEAT_MS);
  }

  get hubs(): readonly HubBeat[] {
    return this.#heard.list(performance.now());
  }

  report(beat: Omit<HubBeat, 'hub'>): void {
    const isFirst = this.#own === undefined;
    const { level } = this.#parts;
    this.#own = { ...beat, ...(level !== undefined && { level }) };
    if (isFirst) this.#beat();
  }

  onBeat(listener: (beat: HubBeat) => void): void {
    this.#onBeat = listener;
  }

  broadcast(text: string): void {
    this.#send((to) => to.#onText?.(text));
  }

  onBroadcast(listener: (text: string) => void): void {
    this.#onText = listener;
  }

  send(hub: string, data: Uint8Array): void {
    const sent = Uint8Array.from(data);
    this.#send((to) => (to.self === hub ? to.#onBytes?.(this.self, sent) : undefined));
  }

  onReceived(listener: (from: string, data: Uint8Array) => void): void {
    this.#onBytes = listener;
  }

  ask(question: string, timeoutMs: number): Promise<FleetAnswers> {
    const collected = new CollectedAnswers(this.hubs);
    this.#send((to) => {
      const answered = (answer: string | undefined): void => {
        if (answer !== undefined) to.#send((back) => (back === this ? collected.add(to.self, answer) : undefined));
      };
      void to.#onQuestion?.(question).then(answered);
    });
    return collected.within(timeoutMs);
  }

  onAsked(listener: QuestionListener): void {
    this.#onQuestion = listener;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#fleets.disconnect(this);
  }

  #beat(): void {
    const own = this.#own;
    if (own === undefined) return;
    this.#send((to) => {
      const beat = { hub: this.self, ...own };
      to.#heard.add(beat, performance.now());
      to.#onBeat?.(beat);
    });
  }

  #send(receive: (to: SimulatedFleet) => void): void {
    for (const to of this.#fleets.reachedFrom(this)) {
      const atMs = Math.max(this.#arrivals.get(to) ?? 0, this.#time.nowMs + this.connection.delayMs);
      this.#arrivals.set(to, atMs);
      this.#time.later(
        atMs - this.#time.nowMs,
        () => {
          if (to.connection.isHeard) receive(to);
        },
        to.#parts.process,
      );
    }
  }
}
