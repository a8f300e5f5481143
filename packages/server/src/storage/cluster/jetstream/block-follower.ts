import { AckPolicy, DeliverPolicy, type JetStreamManager } from '@nats-io/jetstream';
import { createInbox, nanos, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import type { FollowerPlace } from '../rollback-check.ts';
import type { JournalFollower } from '../journal.ts';
import type { Block, BlockAddress } from '../../view/block.ts';
import { YoungGarbage } from '../../../platform/young-garbage.ts';
import { BlockPulls } from './block-pulls.ts';
import { ElectedError, type Elections } from './elections.ts';

/** A silent consumer sends a beat this often. */
const BEAT_MS = 400;
/** The code of a beat's headers. */
const BEAT = 100;
/** After this time without a beat or a block, another consumer is made. */
const BEATS_MISSED_MS = BEAT_MS * 2.5;
/** After this time of silence the client goes to another broker. */
const SILENCE_MS = 3_000;
/**
 * After this time without a new block it does so, too. A broker that is cut off from the others
 * sends beats all the same. Hubs append a mark where there are no other blocks.
 */
const OLD_MS = 6_000;
/**
 * A consumer that begins after more silence may be one of a broker that is cut off from the others.
 */
const FRESH_MS = 500;
/** Blocks whose ids are remembered: more than wait for an answer of the brokers. */
const IDS_MAX = 64;
/** With three brokers, one of 25 hubs has no consumer at its own broker after so many. */
const PLACES_MAX = 8;
/** Brokers that take longer are busy with an election, for example. */
const PLACING_MAX_MS = 200;
/** Node.js receives at most this much at once. The client makes a buffer for a larger message. */
const READ_BYTES_MAX = 64 * 1024;
/** The client copies some messages of its buffers, so it leaves more garbage than it receives. */
const RECEIVED_FACTOR = 1.75;
/** The broker forgets a consumer whose hub has gone. */
const INACTIVE_MS = 10_000;

interface FollowerParts {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly stream: string;
  readonly elections: Pick<Elections, 'attempt'>;
  readonly place: (at: BlockAddress, appendMark: () => Promise<number>) => Promise<FollowerPlace>;
}

/**
 * Follows a stream, block by block, without a hole. One ephemeral consumer has the blocks from the
 * next one on, and `BlockPulls` asks it for them. A hole, missed beats or a reconnect end it, and
 * another one continues. Before that, the block where the follower stands is compared with the
 * stream's.
 *
 * The ordered consumer of the client is not used: its beats come every 30 s.
 */
export class BlockFollower {
  readonly #parts: FollowerParts;
  readonly #follower: JournalFollower;
  readonly #watch: NodeJS.Timeout;
  #at: BlockAddress;
  #newest = 0;
  #subscription: Subscription | undefined;
  #pulls: BlockPulls | undefined;
  /** The number of the present consumer. Messages of earlier ones are ignored. */
  #round = 0;
  #isSubscribing = false;
  /** A consumer delivers, after the place of this follower was compared with the stream. */
  #isConsuming = false;
  /** The ids of the newest blocks, by their sequences. */
  readonly #ids = new Map<number, string>();
  readonly #garbage = new YoungGarbage();
  /** The name of a broker that gets no consumer: it may not have the stream. */
  #unplaceable: string | undefined;
  #heardMs = performance.now();
  /** When a message of the consumer was heard. `#heardMs` begins anew with each consumer. */
  #messageMs = performance.now();
  #newsMs = performance.now();
  /**
   * Whether a majority has answered since the consumer began, or just before.
   * Else its old blocks are no news.
   */
  #isProven = true;
  /** The newest block that the consumer had when it began. */
  #oldThrough: number | undefined;
  #isMarking = false;
  #movedMs = 0;
  #closed = false;

  constructor(parts: FollowerParts, from: BlockAddress, follower: JournalFollower) {
    this.#parts = parts;
    this.#at = from;
    this.#follower = follower;
    this.#watch = setInterval(() => this.#checkSilence(), BEAT_MS / 2);
    void this.#watchConnection();
    void this.#subscribe();
  }

  /** The newest block of the stream, as the last message said. */
  get newest(): number {
    return this.#newest;
  }

  get silentMs(): number {
    return performance.now() - this.#newsMs;
  }

  /** A majority of the brokers has answered. */
  onNews(): void {
    this.#newsMs = performance.now();
    this.#isProven = true;
  }

  /**
   * The brokers have stored a block of this hub. If it is the next one, it counts as received, and
   * its message is ignored: a consumer may send it a moment later.
   */
  onConfirmed(block: Block): void {
    const { sequence, id } = block;
    // The stream may have been rolled back, and this place is compared with it first.
    if (this.#isOther(sequence, id)) void this.#subscribe();
    else if (sequence === this.#at.sequence + 1 && this.#isConsuming && this.#follower.whenReady === undefined) {
      this.#newest = Math.max(this.#newest, sequence);
      this.#receive(block);
    } else this.deliverNow(sequence);
    this.onNews();
  }

  /** Somebody waits for the blocks up to this one. */
  deliverNow(sequence: number): void {
    if (sequence > this.#at.sequence) this.#pulls?.deliverNow();
  }

  close(): void {
    this.#closed = true;
    this.#endConsumer();
    clearInterval(this.#watch);
  }

  #endConsumer(): void {
    this.#isConsuming = false;
    this.#pulls?.close();
    this.#pulls = undefined;
    this.#subscription?.unsubscribe();
  }

  #checkSilence(): void {
    const nowMs = performance.now();
    if (this.#pulls?.isPaused === true) this.#heardMs = this.#messageMs = nowMs;
    if (!this.#isProven) void this.#prove();
    if (nowMs - this.#heardMs > BEATS_MISSED_MS) void this.#subscribe();
    const isHeard = nowMs - this.#messageMs <= SILENCE_MS && nowMs - this.#newsMs <= OLD_MS;
    if (isHeard || nowMs - this.#movedMs <= SILENCE_MS) return;
    this.#movedMs = nowMs;
    this.#parts.connection.reconnect().catch(() => undefined);
  }

  /**
   * The journal calls `onNews` when the mark is answered.
   * Without it a long backlog would count as silence.
   */
  async #prove(): Promise<void> {
    if (this.#isMarking) return;
    this.#isMarking = true;
    try {
      await this.#follower.appendMark();
    } catch {
      // The watch tries again.
    }
    this.#isMarking = false;
  }

  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#parts.connection.status())
      if (type === 'reconnect' && !this.#closed) void this.#subscribe();
  }

  async #subscribe(): Promise<void> {
    if (this.#isSubscribing || this.#closed) return;
    this.#isSubscribing = true;
    this.#endConsumer();
    const round = ++this.#round;
    try {
      const place = await this.#parts.place(this.#at, () => this.#follower.appendMark());
      if (place !== 'followable') {
        this.close();
        return place === 'rolled-back' ? this.#follower.onRolledBack() : this.#follower.onTrimmedBeyond();
      }
      if (this.#closed) return;
      await this.#startConsumer(round);
      this.#heardMs = performance.now();
      this.#isConsuming = true;
    } catch (error) {
      // The watch tries again, after two of its intervals. The leader is there after an election.
      this.#subscribeIn(error instanceof ElectedError ? 0 : BEAT_MS);
    } finally {
      this.#isSubscribing = false;
    }
  }

  /** The watch does so, after it has heard nothing for this time. */
  #subscribeIn(waitMs: number): void {
    this.#heardMs = performance.now() - BEATS_MISSED_MS + waitMs;
  }

  async #startConsumer(round: number): Promise<void> {
    const { connection, stream } = this.#parts;
    const inbox = createInbox();
    let delivered = 0;
    this.#oldThrough = undefined;
    this.#isProven = this.silentMs <= FRESH_MS;
    this.#subscription = connection.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        // Without the permission for its inbox a hub hears nothing, and is not ready.
        if (error !== null || round !== this.#round || this.#closed) return;
        this.#heardMs = this.#messageMs = performance.now();
        const isNext = isControl(message) ? this.#onControl(message, delivered) : this.#onBlock(message, ++delivered);
        if (!isNext) void this.#subscribe();
      },
    });
    const consumer = await this.#createConsumer();
    const follower = this.#follower;
    if (round === this.#round && !this.#closed)
      this.#pulls = new BlockPulls({ connection, stream, consumer, inbox: `${inbox}.`, beatMs: BEAT_MS, follower });
    if (!this.#isProven) void this.#prove();
  }

  /**
   * Creates a consumer at the broker of this connection, where that is possible. JetStream places
   * it at any broker of the stream, so another one is created until one is there. Elsewhere each
   * block would take one more way between the brokers. @returns its name
   */
  async #createConsumer(): Promise<string> {
    const { connection, manager, stream, elections } = this.#parts;
    const broker = connection.info?.server_name;
    const sinceMs = performance.now();
    for (let left = this.#unplaceable === broker ? 1 : PLACES_MAX; ; left--) {
      const name = createInbox().slice('_INBOX.'.length);
      const created = manager.consumers.add(stream, {
        name,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: this.#at.sequence + 1,
        ack_policy: AckPolicy.None,
        max_deliver: 1,
        inactive_threshold: nanos(INACTIVE_MS),
        mem_storage: true,
        num_replicas: 1,
      });
      const { cluster } = await elections.attempt(created);
      if (cluster?.leader === undefined || cluster.leader === broker) return name;
      if (left <= 1) this.#unplaceable = broker;
      if (left <= 1 || performance.now() - sinceMs > PLACING_MAX_MS) return name;
      manager.consumers.delete(stream, name).catch(() => undefined);
    }
  }

  /** A beat says how many messages were sent, so it shows a loss at the end. */
  #onControl(message: Msg, delivered: number): boolean {
    if (message.headers?.code === BEAT) return Number(message.headers.get('Nats-Last-Consumer') || 0) <= delivered;
    // A consumer that has ended may have lost its leader, and there is no other one yet.
    if (this.#pulls?.onEnd(message) === false) this.#subscribeIn(BEAT_MS);
    return true;
  }

  /** The reply subject of a block ends with `STREAM SEQUENCE, DELIVERED, TIME, PENDING`. */
  #onBlock(message: Msg, delivered: number): boolean {
    const parts = (message.reply ?? '').split('.');
    const [sequence, number] = [Number(parts.at(-4)), Number(parts.at(-3))];
    const isReceived = sequence <= this.#at.sequence;
    if (number !== delivered || sequence > this.#at.sequence + 1) return false;
    const id = message.headers?.get('Nats-Msg-Id') ?? '';
    if (this.#isOther(sequence, id)) return false;
    const pending = Number(parts.at(-1));
    this.#newest = Math.max(this.#at.sequence, sequence + pending);
    const kind = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    // A consumer says with its first block how many it has. That one may be old, too.
    this.#oldThrough ??= this.#newest;
    const garbage = RECEIVED_FACTOR * message.data.byteLength;
    if (!isReceived) this.#receive({ sequence, id, kind, data: takeData(message) });
    // Where somebody reads new blocks, many young objects live, and V8 collects them often enough.
    if (this.#follower.mayWait || sequence <= this.#oldThrough) this.#garbage.add(garbage);
    // The follower reads the silence before its block, so this comes after it.
    if (this.#isProven || sequence > this.#oldThrough) this.onNews();
    this.#pulls?.onBlock(pending);
    return true;
  }

  #receive(block: Block): void {
    const { sequence, id } = block;
    this.#at = { sequence, id };
    this.#ids.set(sequence, id).delete(sequence - IDS_MAX);
    this.#follower.onBlock(block);
  }

  /** Whether another block was received with this sequence. */
  #isOther(sequence: number, id: string): boolean {
    return (this.#ids.get(sequence) ?? id) !== id;
  }
}

/**
 * A copy of a block's data: the client's buffer may hold other messages, too. That of a large block
 * does not, and its memory is free at once. Otherwise a hub that receives many large blocks would
 * have V8 collect its whole heap several times a second.
 */
function takeData({ data }: Msg): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(data);
  if (data.byteLength > READ_BYTES_MAX) (data.buffer as ArrayBuffer).transfer(0);
  return copy;
}

function isControl({ data, headers }: Msg): boolean {
  return data.length === 0 && (headers?.code ?? 0) > 0;
}
