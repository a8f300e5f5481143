import type { Seeded } from '../../conformance/kit/seeded.ts';
import type { BlockFollower } from '../../packages/server/src/storage/cluster/jetstream/block-follower.ts';
import type { Block } from '../../packages/server/src/storage/view/block.ts';
import type { SimulatedBroker, SimulatedBrokers } from './simulated-brokers.ts';
import type { SimulatedProcess, VirtualTime } from './virtual-time.ts';

/** How a hub reaches one broker. */
export interface Link {
  isCut: boolean;
  /** One way: what the broker sends is lost. */
  isDeaf: boolean;
  delayMs: number;
}

/** The clients of NATS, as far as the follower of the product uses them. */
type FollowerParts = Pick<ConstructorParameters<typeof BlockFollower>[0], 'connection' | 'manager'>;
type Callback = (error: null, message: unknown) => void;

/** A question of the follower for blocks. */
interface Pull {
  readonly reply: string;
  left: number;
  /** It ends when there are no more blocks. */
  readonly isImmediate: boolean;
  readonly endsMs: number;
}

const BEAT_MS = 400;
/** What the follower asks for. */
const PULL_MS = 5_000;
const RECONNECT_MS = 75;

/**
 * A hub's connection to the brokers: to one of them at a time. Answers may be late or lost, and a
 * consumer may lose a message or send it twice. The follower of the product reads from it.
 */
export class SimulatedConnection {
  readonly #time: VirtualTime;
  readonly #random: Seeded;
  readonly #brokers: SimulatedBrokers;
  readonly #links: readonly Link[];
  readonly #process: SimulatedProcess;
  #at: number;
  /** Each connection has a number. Messages of an earlier one are lost. */
  #round = 0;
  #isOpen = true;
  #isClosed = false;
  readonly #inboxes = new Map<string, Callback>();
  /** What takes the questions to each consumer. */
  readonly #consumers = new Map<string, (pull: Pull) => void>();
  readonly #reconnect = (): void => this.reconnect();
  #onStatus: ((status: { type: string }) => void) | undefined;

  constructor(
    time: VirtualTime,
    random: Seeded,
    brokers: SimulatedBrokers,
    links: readonly Link[],
    process: SimulatedProcess,
  ) {
    this.#time = time;
    this.#random = random;
    this.#brokers = brokers;
    this.#links = links;
    this.#process = process;
    this.#at = random.below(links.length);
    brokers.connections.add(this.#reconnect);
    const watch = setInterval(() => {
      if (this.#isClosed) clearInterval(watch);
      else if (this.#isOpen && (this.#link.isCut || !this.broker.isUp)) this.reconnect();
    }, 100);
  }

  get broker(): SimulatedBroker {
    return this.#brokers.all[this.#at] as SimulatedBroker;
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#link.isCut && this.broker.isUp;
  }

  /** A delay of one way. */
  get delayMs(): number {
    return this.#link.delayMs + 0.1 + this.#random.fraction() * (this.#random.below(20) === 0 ? 30 : 1);
  }

  /** Whether both ends hear each other. */
  get isHeard(): boolean {
    return this.isOpen && !this.#link.isDeaf;
  }

  /** Goes to another broker. */
  reconnect(): void {
    if (this.#isClosed) return;
    this.#round++;
    this.#isOpen = false;
    const round = this.#round;
    const attempt = (): void => {
      if (this.#isClosed || round !== this.#round) return;
      this.#at = (this.#at + 1) % this.#links.length;
      if (this.#link.isCut || this.#link.isDeaf || !this.broker.isUp)
        return void this.#time.later(RECONNECT_MS, attempt, this.#process);
      this.#isOpen = true;
      this.#onStatus?.({ type: 'reconnect' });
    };
    this.#time.later(RECONNECT_MS, attempt, this.#process);
  }

  /** Asks the broker. Rejects after the time, or when the question or the answer is lost. */
  request<Answer>(answer: (broker: SimulatedBroker) => Answer | 'none', timeoutMs = 1_500): Promise<Answer> {
    const round = this.#round;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => reject(new Error('no answer')), timeoutMs);
    const isLost = (): boolean => round !== this.#round || !this.isOpen || this.#random.below(200) === 0;
    this.#time.later(this.delayMs, () => {
      if (isLost()) return;
      let result: Answer | 'none';
      try {
        result = answer(this.broker);
      } catch (error) {
        result = 'none';
        this.#time.later(this.delayMs, () => (isLost() || this.#link.isDeaf ? undefined : reject(error)));
      }
      if (result === 'none') return;
      const answered = result;
      this.#time.later(this.delayMs, () => (isLost() || this.#link.isDeaf ? undefined : resolve(answered)));
    });
    return promise.finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#isClosed = true;
    this.#brokers.connections.delete(this.#reconnect);
    this.#isOpen = false;
  }

  get forFollower(): FollowerParts {
    const connection = {
      subscribe: (subject: string, { callback }: { callback: Callback }) => {
        const inbox = subject.slice(0, -1);
        this.#inboxes.set(inbox, callback);
        return { unsubscribe: () => this.#inboxes.delete(inbox) };
      },
      publish: (subject: string, ask: string, { reply }: { reply: string }) => this.#ask(subject, ask, reply),
      reconnect: async () => this.reconnect(),
      status: () => this.#statuses(),
    };
    const manager = {
      consumers: {
        add: (_stream: string, config: { name: string; opt_start_seq: number }) =>
          this.request((broker) => {
            this.#consume(broker, config.name, config.opt_start_seq);
            return {};
          }),
      },
    };
    return { connection, manager } as unknown as FollowerParts;
  }

  /** Asks a consumer for blocks. The question may be late or lost. */
  #ask(subject: string, text: string, reply: string): void {
    const round = this.#round;
    const name = subject.slice(subject.lastIndexOf('.') + 1);
    const { batch, no_wait: isImmediate = false } = JSON.parse(text) as { batch: number; no_wait?: boolean };
    this.#time.later(
      this.delayMs,
      () => {
        if (round !== this.#round || !this.isOpen || this.#random.below(400) === 0) return;
        this.#consumers.get(name)?.({ reply, left: batch, isImmediate, endsMs: this.#time.nowMs + PULL_MS });
      },
      this.#process,
    );
  }

  /** One consumer of the broker. It ends with the connection, or with its inbox. */
  #consume(broker: SimulatedBroker, name: string, start: number): void {
    const round = this.#round;
    let next = start;
    let delivered = 0;
    let arrivalMs = 0;
    let quietMs = 0;
    let pulls: Pull[] = [];
    const send = (pull: Pull, message: object): void => {
      arrivalMs = Math.max(arrivalMs, this.#time.nowMs + this.delayMs);
      this.#time.later(
        arrivalMs - this.#time.nowMs,
        () => {
          if (round === this.#round && this.isHeard) this.#inboxes.get(inboxOf(pull.reply))?.(null, message);
        },
        this.#process,
      );
    };
    const end = (pull: Pull, code: number, description: string): void => {
      pulls = pulls.filter((each) => each !== pull);
      send(pull, control(pull.reply, code, description));
    };
    let stepMs = this.#time.nowMs;
    let isDue = false;
    const stepSoon = (delayMs: number): void => {
      if (isDue) return;
      isDue = true;
      this.#time.later(delayMs, step, this.#process);
    };
    const wake = (): void => stepSoon(this.#random.fraction());
    const step = (): void => {
      isDue = false;
      this.#brokers.waiting.delete(wake);
      if (round !== this.#round || this.#isClosed) return void this.#consumers.delete(name);
      quietMs += this.#time.nowMs - stepMs;
      stepMs = this.#time.nowMs;
      const { last } = this.#brokers.extentOf(broker);
      for (const pull of pulls) if (pull.endsMs <= stepMs) end(pull, 408, 'Request Timeout');
      // After a rollback the consumer waits for blocks that never come.
      for (; next <= last; next++) {
        const [pull] = pulls;
        if (pull === undefined) break;
        const block = this.#brokers.at(next);
        if (block === undefined) continue;
        quietMs = 0;
        const message = messageOf(block, ++delivered, last - next);
        const chance = this.#random.below(400);
        if (chance > 0) send(pull, message);
        if (chance === 1) send(pull, message);
        if (--pull.left === 0) end(pull, 409, 'Batch Completed');
        // The broker that has the consumer may stop.
        if (this.#random.below(2_000) === 0) {
          for (const each of pulls) end(each, 409, 'Consumer Deleted');
          return void this.#consumers.delete(name);
        }
      }
      for (const pull of pulls) if (pull.isImmediate) end(pull, 404, 'No Messages');
      const [pull] = pulls;
      if (quietMs >= BEAT_MS && pull !== undefined) {
        quietMs = 0;
        send(pull, control(pull.reply, 100, 'Idle Heartbeat', delivered));
      }
      this.#brokers.waiting.add(wake);
      idle();
    };
    // A broker that was cut off has blocks again.
    const idle = (): void => {
      const { nowMs } = this.#time;
      this.#time.later(STEP_MS, () => (stepMs === nowMs ? stepSoon(0) : undefined), this.#process);
    };
    this.#consumers.set(name, (pull) => {
      pulls.push(pull);
      stepSoon(0);
    });
    step();
  }

  async *#statuses(): AsyncGenerator<{ type: string }> {
    const waiting: { type: string }[] = [];
    let wake: (() => void) | undefined;
    this.#onStatus = (status) => {
      waiting.push(status);
      wake?.();
    };
    for (;;) {
      while (waiting.length > 0) yield waiting.shift() as { type: string };
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  get #link(): Link {
    return this.#links[this.#at] as Link;
  }
}

const STEP_MS = 100;

function inboxOf(reply: string): string {
  return reply.slice(0, reply.lastIndexOf('.') + 1);
}

/** @param number of the consumer's messages @param pending blocks after it */
function messageOf({ sequence, id, kind, data }: Block, number: number, pending: number): object {
  return {
    data: Buffer.from(data),
    reply: `$JS.ACK.s.c.1.${sequence}.${number}.0.${pending}`,
    subject: `pc.x.j.${kind}`,
    headers: new Map([['Nats-Msg-Id', id]]),
  };
}

function control(subject: string, code: number, description: string, lastConsumer?: number): object {
  return { data: Buffer.alloc(0), subject, headers: { code, description, get: () => `${lastConsumer ?? ''}` } };
}
