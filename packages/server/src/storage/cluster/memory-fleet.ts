import { FLEET_BEAT_MS, HeardHubs, type Fleet, type HubBeat } from './fleet.ts';

/** The hubs of one process, for tests. */
export class MemoryFleetServer {
  readonly #members = new Set<MemoryFleet>();

  connect(self: string): Fleet {
    const others = (): readonly MemoryFleet[] => [...this.#members].filter((each) => each.self !== self);
    const member = new MemoryFleet(self, {
      beat: (beat) => others().forEach((each) => each.hear(beat)),
      // In a later turn, as a socket does.
      broadcast: (text) => setImmediate(() => others().forEach((each) => each.hearText(text))),
    });
    this.#members.add(member);
    return member;
  }
}

interface Sending {
  beat(beat: HubBeat): void;
  broadcast(text: string): void;
}

class MemoryFleet implements Fleet {
  readonly self: string;
  readonly #send: Sending;
  readonly #heard = new HeardHubs();
  readonly #timer: NodeJS.Timeout;
  #own: Omit<HubBeat, 'hub'> | undefined;
  #listener: ((beat: HubBeat) => void) | undefined;
  #textListener: ((text: string) => void) | undefined;
  #closed = false;

  constructor(self: string, send: Sending) {
    this.self = self;
    this.#send = send;
    this.#timer = setInterval(() => this.#beat(), FLEET_BEAT_MS);
    this.#timer.unref();
  }

  get hubs(): readonly HubBeat[] {
    return this.#heard.list(performance.now());
  }

  report(beat: Omit<HubBeat, 'hub'>): void {
    const isFirst = this.#own === undefined;
    this.#own = beat;
    if (isFirst) this.#beat();
  }

  onBeat(listener: (beat: HubBeat) => void): void {
    this.#listener = listener;
  }

  broadcast(text: string): void {
    if (!this.#closed) this.#send.broadcast(text);
  }

  onBroadcast(listener: (text: string) => void): void {
    this.#textListener = listener;
  }

  hearText(text: string): void {
    if (!this.#closed) this.#textListener?.(text);
  }

  hear(beat: HubBeat): void {
    if (this.#closed) return;
    this.#heard.add(beat, performance.now());
    this.#listener?.(beat);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  #beat(): void {
    if (this.#own !== undefined) this.#send.beat({ hub: this.self, ...this.#own });
  }
}
