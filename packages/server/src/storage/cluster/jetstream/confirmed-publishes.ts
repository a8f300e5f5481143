import { JetStreamApiError } from '@nats-io/jetstream';
import {
  createInbox,
  headers as newHeaders,
  PermissionViolationError,
  TimeoutError,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';

/** A message that a majority of the brokers has stored. */
export interface StoredMessage {
  /** Its place in the stream. */
  readonly sequence: number;
  /** The stream had a message with its id, and has not stored it again. */
  readonly isCopy: boolean;
}

/** A message for a stream. */
export interface StreamMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

interface Waiting {
  readonly subject: string;
  readonly dueMs: number;
  readonly resolve: (stored: StoredMessage) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Publishes messages to streams, and resolves when the brokers confirm them. An acknowledgement
 * waits for this. The client's own way is slower: for each message it makes a random name, a timer,
 * three promises, and an error with a stack.
 */
export class ConfirmedPublishes {
  readonly #connection: NatsConnection;
  readonly #timeoutMs: number;
  /** Answers arrive at this subject with the number of their message. */
  readonly #inbox = `${createInbox()}.`;
  /** `undefined`: a broker has refused it. */
  #subscription: Subscription | undefined;
  /** By their numbers: the oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  #published = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param timeoutMs after which a message without an answer is rejected */
  constructor(connection: NatsConnection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#subscription = this.#subscribe();
    void this.#watchPermissions();
  }

  /**
   * Publishes a message. One that is rejected may have been stored all the same.
   * @throws JetStreamApiError when the stream refuses it; another error when nobody answers
   */
  publish({ subject, data, headers }: StreamMessage): Promise<StoredMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<StoredMessage>();
    if (this.#closed) {
      reject(new Error('the connection is closed'));
      return promise;
    }
    this.#subscription ??= this.#subscribe();
    const number = String(++this.#published);
    const sent = newHeaders();
    for (const name in headers) sent.set(name, headers[name] as string);
    const waiting = { subject, dueMs: performance.now() + this.#timeoutMs, resolve, reject };
    try {
      this.#connection.publish(subject, data, { reply: this.#inbox + number, headers: sent });
    } catch (error) {
      reject(error as Error);
      return promise;
    }
    this.#waiting.set(number, waiting);
    this.#timer ??= setTimeout(() => this.#rejectOverdue(), this.#timeoutMs);
    return promise;
  }

  /** Rejects the messages that wait. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#subscription?.unsubscribe();
    this.#rejectAll(new Error('the connection is closed'), () => true);
  }

  #subscribe(): Subscription {
    return this.#connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#onAnswer(message);
        else this.#onRefused(error);
      },
    });
  }

  /** The hub may not hear its answers. The client has forgotten the subscription. */
  #onRefused(error: Error): void {
    this.#subscription = undefined;
    this.#rejectAll(error, () => true);
  }

  #onAnswer(message: Msg): void {
    const number = message.subject.slice(this.#inbox.length);
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    const answer = storedOf(message);
    if (answer instanceof Error) waiting.reject(answer);
    else waiting.resolve(answer);
  }

  /** One timer for all: the oldest message is the next one that is overdue. */
  #rejectOverdue(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    this.#rejectAll(new TimeoutError(), ({ dueMs }) => dueMs <= nowMs);
    for (const { dueMs } of this.#waiting.values()) {
      this.#timer = setTimeout(() => this.#rejectOverdue(), dueMs - nowMs);
      return;
    }
  }

  #rejectAll(error: Error, isRejected: (waiting: Waiting) => boolean): void {
    for (const [number, waiting] of this.#waiting) {
      if (!isRejected(waiting)) continue;
      this.#waiting.delete(number);
      waiting.reject(error);
    }
  }

  /** A broker does not answer a message that the hub may not publish. */
  async #watchPermissions(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (this.#closed) return;
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue;
      const { error } = status;
      if (error.operation === 'publish') this.#rejectAll(error, ({ subject }) => subject === error.subject);
    }
  }
}

/** What the answer to a message says. An exception would end the client's reading. */
function storedOf(message: Msg): StoredMessage | Error {
  if (message.data.length === 0) return new Error('no broker has the stream');
  try {
    const { error, seq, duplicate } = message.json<Answer>();
    if (error !== undefined) return new JetStreamApiError(error);
    if (seq === undefined) return new Error('something else than a stream has answered');
    return { sequence: seq, isCopy: duplicate ?? false };
  } catch (error) {
    return error as Error;
  }
}

/** The answer of a stream, as far as the hub reads it. */
interface Answer {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: ConstructorParameters<typeof JetStreamApiError>[0];
}
