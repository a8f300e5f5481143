import type { NatsConnection, Subscription } from '@nats-io/transport-node';

/**
 * Milliseconds after the announcement of a leader at which attempts without an answer end. The
 * leader announces itself a moment before it answers, so a repetition may come too early. A new
 * consumer needs the leader of all brokers too. It is elected up to 3 s later, and not announced.
 */
const REPEAT_AFTER_MS = [50, 300, 600, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000] as const;

/** The brokers have elected a leader, and it may not have heard the attempt. */
export class ElectedError extends Error {
  override readonly name = 'ElectedError';

  constructor() {
    super('the brokers have elected a leader meanwhile');
  }
}

/**
 * Hears when the brokers elect a leader of a stream. A request to the leader before is lost with
 * it. Its sender would wait for its timeout, although the new leader is there. So the wait ends
 * with the election.
 *
 * Example: the leader is killed at 0.0 s, and an attempt of 4.0 s gets no answer. The new leader
 * announces itself at 4.2 s. The attempt is repeated at 4.25 s, and not at 5.5 s.
 *
 * Where the hub's credentials do not allow the subject, the timeouts alone count.
 */
export class Elections {
  readonly #subscription: Subscription;
  readonly #waiting = new Set<() => void>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(connection: NatsConnection, stream: string) {
    this.#subscription = connection.subscribe(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${stream}`, {
      callback: (error) => {
        if (error === null) this.#onElected();
      },
    });
  }

  /**
   * Settles as the answer does, or rejects with `ElectedError` when a leader has been elected
   * meanwhile. The answer is then ignored, so the attempt must be repeatable.
   */
  attempt<Value>(answer: Promise<Value>): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const end = (): void => reject(new ElectedError());
    this.#waiting.add(end);
    answer.then(
      (value) => {
        this.#waiting.delete(end);
        resolve(value);
      },
      (error: unknown) => {
        this.#waiting.delete(end);
        reject(error as Error);
      },
    );
    return promise;
  }

  close(): void {
    this.#subscription.unsubscribe();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #onElected(): void {
    for (const afterMs of REPEAT_AFTER_MS) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#endAll();
      }, afterMs);
      timer.unref();
      this.#timers.add(timer);
    }
  }

  #endAll(): void {
    for (const end of this.#waiting) end();
    this.#waiting.clear();
  }
}
