import {
  CollectedAnswers,
  FLEET_BEAT_MS,
  HeardHubs,
  type Fleet,
  type FleetAnswers,
  type HubBeat,
  type QuestionListener,
} from './fleet.ts';

/** The hubs of one process, for tests. */
export class MemoryFleetServer {
  readonly #members = new Set<MemoryFleet>();

  connect(self: string): Fleet {
    const others = (): readonly MemoryFleet[] => [...this.#members].filter((each) => each.self !== self);
    const member = new MemoryFleet(self, {
      beat: (beat) => others().forEach((each) => each.hear(beat)),
      // In a later turn, as a socket does.
      ask: (question, answered) =>
        setImmediate(() => others().forEach((each) => each.hearQuestion(question, answered))),
      broadcast: (text) => setImmediate(() => others().forEach((each) => each.hearText(text))),
      send: (hub, data) =>
        setImmediate(() => others().forEach((each) => each.self === hub && each.hearBytes(self, data))),
    });
    this.#members.add(member);
    return member;
  }
}

interface Sending {
  beat(beat: HubBeat): void;
  broadcast(text: string): void;
  send(hub: string, data: Uint8Array): void;
  ask(question: string, answered: (hub: string, answer: string) => void): void;
}

class MemoryFleet implements Fleet {
  readonly self: string;
  readonly messageBytesMax = 2 ** 20;
  readonly #send: Sending;
  readonly #heard = new HeardHubs();
  readonly #timer: NodeJS.Timeout;
  #own: Omit<HubBeat, 'hub'> | undefined;
  #listener: ((beat: HubBeat) => void) | undefined;
  #textListener: ((text: string) => void) | undefined;
  #questionListener: QuestionListener | undefined;
  #bytesListener: ((from: string, data: Uint8Array) => void) | undefined;
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

  ask(question: string, timeoutMs: number): Promise<FleetAnswers> {
    const collected = new CollectedAnswers(this.hubs);
    this.#send.ask(question, (hub, answer) => collected.add(hub, answer));
    return collected.within(timeoutMs);
  }

  onAsked(listener: QuestionListener): void {
    this.#questionListener = listener;
  }

  hearQuestion(question: string, answered: (hub: string, answer: string) => void): void {
    if (this.#closed) return;
    void this.#questionListener?.(question).then((answer) => {
      if (answer !== undefined) answered(this.self, answer);
    });
  }

  send(hub: string, data: Uint8Array): void {
    if (!this.#closed) this.#send.send(hub, Uint8Array.from(data));
  }

  onReceived(listener: (from: string, data: Uint8Array) => void): void {
    this.#bytesListener = listener;
  }

  hearBytes(from: string, data: Uint8Array): void {
    if (!this.#closed) this.#bytesListener?.(from, data);
  }

  hearText(text: string): void {
    if (!this.#closed) this.#textListener?.(text);
  }

  hear(beat: HubBeat): void {
    if (this.#closed) return;
    if (this.#heard.add(beat, performance.now())) this.#beat();
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
