import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import type { StorageLogger } from '../../home.ts';
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
  readonly #logger: Pick<StorageLogger, 'error'>;
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
  constructor(connection: NatsConnection, name: string, self: string, logger: Pick<StorageLogger, 'error'>) {
    this.self = self;
    this.#connection = connection;
    this.#logger = logger;
    this.#subject = `pc.${name}.fleet.beat`;
    this.#broadcastSubject = `pc.${name}.fleet.broadcast`;
    this.#askSubject = `pc.${name}.fleet.ask`;
    // Before the last token is the name of the receiver.
    this.#sendSubject = `pc.${name}.fleet.send`;
    this.#subscriptions = [
      this.#subscribe(this.#subject, (message) => this.#hear(message.json())),
      this.#subscribe(`${this.#broadcastSubject}.*`, (message) => {
        if (senderOf(message) !== self) this.#textListener?.(message.string());
      }),
      this.#subscribe(`${this.#askSubject}.*`, (message) => {
        if (senderOf(message) !== self) this.#answer(message);
      }),
      ...(self === ''
        ? []
        : [
            this.#subscribe(`${this.#sendSubject}.${self}.*`, (message) =>
              this.#bytesListener?.(senderOf(message), message.data),
            ),
          ]),
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

  get messageBytesMax(): number {
    return this.#connection.info?.max_payload ?? MESSAGE_BYTES;
  }

  async ask(question: string, timeoutMs: number): Promise<FleetAnswers> {
    const collected = new CollectedAnswers(this.hubs);
    if (this.#connection.isClosed()) return collected.within(0);
    const inbox = createInbox();
    const answers = this.#subscribe(inbox, (message) => {
      const { hub, answer, isLast } = message.json<AnswerPart>();
      collected.add(hub, answer, isLast);
    });
    try {
      this.#connection.publish(`${this.#askSubject}.${this.self}`, question, { reply: inbox });
      return await collected.within(timeoutMs);
    } finally {
      answers.unsubscribe();
    }
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

  /**
   * The client calls back inside the loop that reads the connection. An exception would end that.
   */
  #subscribe(subject: string, receive: (message: Msg) => void): Subscription {
    return this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return;
        try {
          receive(message);
        } catch (failure) {
          this.#onFailed(failure);
        }
      },
    });
  }

  #answer(message: Msg): void {
    this.#questionListener?.(message.string())
      .then((answer) => {
        if (answer !== undefined) respondInParts(message, this.self, answer, this.messageBytesMax);
      })
      .catch((error: unknown) => this.#onFailed(error));
  }

  #onFailed(error: unknown): void {
    this.#logger.error({ error: String(error) }, 'cluster: a message of another hub failed');
  }

  #beat(): void {
    if (this.#own === undefined || this.#connection.isClosed()) return;
    this.#connection.publish(this.#subject, JSON.stringify({ hub: this.self, ...this.#own }));
  }

  #hear(beat: HubBeat): void {
    if (beat.hub === this.self) return;
    if (this.#heard.add(beat, performance.now())) this.#beat();
    this.#listener?.(beat);
  }
}

/** Brokers accept so many bytes in a message by default. */
const MESSAGE_BYTES = 2 ** 20;

/** Subjects of messages between hubs end with the name of the sender. */
function senderOf({ subject }: Msg): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

/** A part of an answer, as JSON in one message. */
interface AnswerPart {
  readonly hub: string;
  readonly answer: string;
  readonly isLast: boolean;
}

/** Bytes of a part beside the text. */
const PART_HEAD_BYTES = 512;
/** A UTF-16 unit of the text has as many at most, as JSON in UTF-8: `\u0000`. */
const UNIT_BYTES_MAX = 6;

function respondInParts(message: Msg, hub: string, answer: string, messageBytesMax: number): void {
  const lengthMax = Math.max(1, Math.floor((messageBytesMax - PART_HEAD_BYTES) / UNIT_BYTES_MAX));
  for (let start = 0, isLast = false; !isLast; start += lengthMax) {
    isLast = start + lengthMax >= answer.length;
    const part: AnswerPart = { hub, answer: answer.slice(start, start + lengthMax), isLast };
    message.respond(JSON.stringify(part));
  }
}
