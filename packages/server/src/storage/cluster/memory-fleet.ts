import { FLEET_BEAT_MS, HeardHubs, type Fleet, type HubBeat } from './fleet.ts';

/** The hubs of one process, for tests. */
export class MemoryFleetServer {
  readonly #members = new Set<MemoryFleet>();

  connect(self: string): Fleet {
    const member = new MemoryFleet(self, (beat) => {
      for (const each of this.#members) if (each.self !== self) each.hear(beat);
    });
    this.#members.add(member);
    return member;
  }
}

class MemoryFleet implements Fleet {
  readonly self: string;
  readonly #send: (beat: HubBeat) => void;
  readonly #heard = new HeardHubs();
  readonly #timer: NodeJS.Timeout;
  #own: Omit<HubBeat, 'hub'> | undefined;
  #listener: ((beat: HubBeat) => void) | undefined;
  #closed = false;

  constructor(self: string, send: (beat: HubBeat) => void) {
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
    if (this.#own !== undefined) this.#send({ hub: this.self, ...this.#own });
  }
}
