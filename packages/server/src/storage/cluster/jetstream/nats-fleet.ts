import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import {
  CollectedAnswers,
  FLEET_BEAT_MS,
  HeardHubs,
  type Fleet,
  type FleetAnswers,
  type HubBeat,
  type QuestionListener,
} from '../fleet.ts';

/** The fleet over the brokers: beats and texts are plain messages, which no broker stores. */
export class NatsFleet implements Fleet {
  readonly self: string;
  readonly #connection: NatsConnection;
  readonly #subject: string;
  readonly #broadcastSubject: string;
  readonly #askSubject: string;
  readonly #sendSubject: string;
  readonly #subscriptions: readonly Subscription[];
  readonly #timer: NodeJS.Timeout;
  readonly #heard = new HeardHubs();
  #own: Omit<HubBeat, 'hub'> | undefined;
  #listener: ((beat: HubBeat) => void) | undefined;
  #textListener: ((text: string) => void) | undefined;
  #questionListener: QuestionListener | undefined;
  #bytesListener: ((from: string, data: Uint8Array) => void) | undefined;

  /**
   * @param name of the cluster
   * @param self empty for somebody who only listens
   */
  constructor(connection: NatsConnection, name: string, self: string) {
    this.self = self;
    this.#connection = connection;
    this.#subject = `pc.${name}.fleet.beat`;
    // The last token is the name of the sender.
    this.#broadcastSubject = `pc.${name}.fleet.broadcast`;
    this.#askSubject = `pc.${name}.fleet.ask`;
    // The last two tokens are the names of the receiver and of the sender.
    this.#sendSubject = `pc.${name}.fleet.send`;
    this.#subscriptions = [
      connection.subscribe(this.#subject, {
        callback: (error, message) => {
          if (error === null) this.#hear(message.data);
        },
      }),
      connection.subscribe(`${this.#broadcastSubject}.*`, {
        callback: (error, message) => {
          if (error === null && !message.subject.endsWith(`.${self}`)) this.#textListener?.(message.string());
        },
      }),
      connection.subscribe(`${this.#askSubject}.*`, {
        callback: (error, message) => {
          if (error !== null || message.subject.endsWith(`.${self}`)) return;
          this.#answer(message);
        },
      }),
      ...(self === '' ? [] : [this.#receive()]),
    ];
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
    if (!this.#connection.isClosed()) this.#connection.publish(`${this.#broadcastSubject}.${this.self}`, text);
  }

  onBroadcast(listener: (text: string) => void): void {
    this.#textListener = listener;
  }

  async ask(question: string, timeoutMs: number): Promise<FleetAnswers> {
    const collected = new CollectedAnswers(this.hubs);
    if (this.#connection.isClosed()) return collected.within(0);
    const inbox = createInbox();
    const answers = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) return;
        const { hub, answer, isLast } = message.json<AnswerPart>();
        collected.add(hub, answer, isLast);
      },
    });
    this.#connection.publish(`${this.#askSubject}.${this.self}`, question, { reply: inbox });
    const collectedAnswers = await collected.within(timeoutMs);
    answers.unsubscribe();
    return collectedAnswers;
  }

  onAsked(listener: QuestionListener): void {
    this.#questionListener = listener;
  }

  send(hub: string, data: Uint8Array): void {
    if (!this.#connection.isClosed()) this.#connection.publish(`${this.#sendSubject}.${hub}.${this.self}`, data);
  }

  onReceived(listener: (from: string, data: Uint8Array) => void): void {
    this.#bytesListener = listener;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #receive(): Subscription {
    return this.#connection.subscribe(`${this.#sendSubject}.${this.self}.*`, {
      callback: (error, { subject, data }) => {
        if (error === null) this.#bytesListener?.(subject.slice(subject.lastIndexOf('.') + 1), data);
      },
    });
  }

  #answer(message: Msg): void {
    const answer = this.#questionListener?.(message.string());
    if (answer instanceof Promise) void answer.then((text) => respondInParts(message, this.self, text));
    else if (answer !== undefined) respondInParts(message, this.self, answer);
  }

  #beat(): void {
    if (this.#own === undefined || this.#connection.isClosed()) return;
    this.#connection.publish(this.#subject, JSON.stringify({ hub: this.self, ...this.#own }));
  }

  #hear(data: Uint8Array): void {
    const beat = JSON.parse(Buffer.from(data).toString()) as HubBeat;
    if (beat.hub === this.self) return;
    if (this.#heard.add(beat, performance.now())) this.#beat();
    this.#listener?.(beat);
  }
}

/** A part of an answer. A client of the brokers may send 1 MiB in a message, by default. */
interface AnswerPart {
  readonly hub: string;
  readonly answer: string;
  readonly isLast: boolean;
}

/** UTF-16 units in one message: at most six bytes each, as JSON in UTF-8. */
const PART_LENGTH_MAX = 128 * 1024;

function respondInParts(message: Msg, hub: string, answer: string): void {
  for (let start = 0, isLast = false; !isLast; start += PART_LENGTH_MAX) {
    isLast = start + PART_LENGTH_MAX >= answer.length;
    const part: AnswerPart = { hub, answer: answer.slice(start, start + PART_LENGTH_MAX), isLast };
    message.respond(JSON.stringify(part));
  }
}
