import { setTimeout as delay } from 'node:timers/promises';
import {
  DiscardPolicy,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import { ClosedConnectionError, nanos, type NatsConnection } from '@nats-io/transport-node';
import { placeOf, type FollowerPlace } from '../rollback-check.ts';
import { JournalError, type Journal, type JournalExtent, type JournalFollower } from '../journal.ts';
import type { BlockAddress, NewBlock } from '../../view/block.ts';
import { BlockFollower } from './block-follower.ts';
import { ConfirmedPublishes, type StoredMessage } from './confirmed-publishes.ts';
import type { DurabilityCheck } from './durability-check.ts';
import { Elections } from './elections.ts';

/** The room of a message for its subject and headers. */
const OVERHEAD_BYTES = 4 * 1024;
const BLOCK_BYTES_MAX = 1024 * 1024;
/** A broker that dies takes its answers with it, so an attempt is repeated soon. */
export const REQUEST_TIMEOUT_MS = 1_500;
const RETRY_WAIT_MS = 50;
/**
 * JetStream elects a leader within 10 s, and a busy one takes longer. An append or a question
 * without an answer for this time has failed. A hub that starts or opens again asks much, and must
 * outlast an election. A caller with less time ends its wait, as `ReadBarrier` does.
 */
const ANSWER_DEADLINE_MS = 30_000;
/** JetStream drops copies of a message with the same id for this long. It outlasts an append. */
const DUPLICATE_WINDOW_MS = 120_000;

/** Codes of JetStream's errors. */
const WRONG_LAST_SEQUENCE = 10071;
const NO_MESSAGE = 10037;
export const NO_STREAM = 10059;
/** The stream, the account or the disk of the broker is full. */
const FULL: ReadonlySet<number> = new Set([10002, 10023, 10028, 10047, 10077]);

export interface JetStreamJournalOptions {
  readonly connection: NatsConnection;
  /** The name of the cluster. */
  readonly name: string;
  readonly replicas: number;
  readonly check: DurabilityCheck;
  /** The sequence of the first block, if this call creates the stream. */
  readonly firstSequence?: number;
}

/**
 * Opens the journal of a cluster: the JetStream stream `PC_NAME`. The first hub creates it.
 * @throws JournalError `unknown` when no broker with JetStream answers in time
 */
export async function openJetStreamJournal(options: JetStreamJournalOptions): Promise<Journal> {
  const { connection, name, check } = options;
  const info = await openStream(options);
  const manager = await managerOf(connection);
  const stream = streamName(name);
  const elections = new Elections(connection, stream);
  const publishes = new ConfirmedPublishes(connection, REQUEST_TIMEOUT_MS);
  const journal = new JetStreamJournal({ connection, manager, publishes, stream, name, check, elections });
  check.start(() => manager.streams.info(stream), info);
  return journal;
}

/** Finds the stream of a journal, or creates it. @throws JournalError `unknown` */
export async function openStream({
  connection,
  name,
  replicas,
  firstSequence = 1,
}: Omit<JetStreamJournalOptions, 'check'>): Promise<StreamInfo> {
  const manager = await managerOf(connection);
  const stream = streamName(name);
  const config = {
    name: stream,
    subjects: [`pc.${name}.j.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    // A full stream must refuse new blocks, and not drop old ones.
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    deny_delete: true,
    allow_direct: true,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    ...(firstSequence > 1 && { first_seq: firstSequence }),
  };
  return answer(async () => {
    try {
      return await manager.streams.info(stream);
    } catch (error) {
      if (codeOf(error) !== NO_STREAM) throw error;
      return manager.streams.add(config);
    }
  });
}

function managerOf(connection: NatsConnection): Promise<JetStreamManager> {
  return jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false });
}

/** The name of a cluster's stream. */
export function streamName(cluster: string): string {
  return `PC_${cluster}`;
}

/** The bytes of data that the brokers accept in a block. */
export function blockBytesMaxOf({ info }: NatsConnection): number {
  return Math.min(BLOCK_BYTES_MAX, (info?.max_payload ?? BLOCK_BYTES_MAX) - OVERHEAD_BYTES);
}

interface JournalParts {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly publishes: ConfirmedPublishes;
  readonly stream: string;
  readonly name: string;
  readonly check: DurabilityCheck;
  readonly elections: Elections;
}

class JetStreamJournal implements Journal {
  readonly blockBytesMax: number;
  readonly #parts: JournalParts;
  #follower: BlockFollower | undefined;
  #last = 0;
  #closed = false;

  constructor(parts: JournalParts) {
    this.#parts = parts;
    this.blockBytesMax = blockBytesMaxOf(parts.connection);
  }

  get silentMs(): number {
    return this.#follower?.silentMs ?? 0;
  }

  get unsafeReason(): string | undefined {
    return this.#parts.check.unsafeReason;
  }

  async append({ id, kind, data }: NewBlock, expectedLast?: number): Promise<number> {
    const { publishes, name, elections } = this.#parts;
    const subject = `pc.${name}.j.${kind}`;
    const headers = {
      'Nats-Msg-Id': id,
      ...(expectedLast !== undefined && { 'Nats-Expected-Last-Sequence': String(expectedLast) }),
    };
    const deadlineMs = performance.now() + ANSWER_DEADLINE_MS;
    let isUncertain = false;
    for (;;) {
      let stored: StoredMessage;
      try {
        stored = await elections.attempt(publishes.publish({ subject, data, headers }));
      } catch (error) {
        if (this.#closed) throw new JournalError(isUncertain ? 'unknown' : 'closed', 'the journal is closed');
        const code = codeOf(error);
        // An earlier attempt without an answer may have been stored all the same.
        if (code === WRONG_LAST_SEQUENCE) throw new JournalError('conflict', messageOf(error));
        if (code !== undefined && FULL.has(code)) this.#follower?.onNews();
        if (code !== undefined && FULL.has(code) && !isUncertain) throw new JournalError('full', messageOf(error));
        if (performance.now() >= deadlineMs) throw new JournalError('unknown', messageOf(error));
        isUncertain = true;
        await delay(RETRY_WAIT_MS);
        continue;
      }
      const { sequence, isCopy } = stored;
      // A broker that is cut off knows the copies of its own blocks.
      if (!isCopy) this.#follower?.onConfirmed({ sequence, id, kind, data: new Uint8Array(data) });
      return sequence;
    }
  }

  async last(): Promise<number> {
    const { manager, stream } = this.#parts;
    const { state } = await answer(() => this.#ask(manager.streams.info(stream)));
    this.#last = state.last_seq;
    return state.last_seq;
  }

  async extent(): Promise<JournalExtent> {
    const { manager, stream } = this.#parts;
    return answer(() => this.#ask(readExtent(manager, stream)));
  }

  async trim(before: number): Promise<void> {
    const { manager, stream } = this.#parts;
    await answer(() => this.#ask(manager.streams.purge(stream, { seq: before })));
  }

  get newest(): number {
    return Math.max(this.#last, this.#follower?.newest ?? 0);
  }

  async idAt(sequence: number): Promise<string | undefined> {
    const { manager, stream } = this.#parts;
    return answer(() => this.#ask(readId(manager, stream, sequence)));
  }

  follow(from: BlockAddress, follower: JournalFollower): void {
    const { connection, manager, stream, elections } = this.#parts;
    const journal = {
      idAt: (sequence: number) => elections.attempt(readId(manager, stream, sequence)),
      extent: () => elections.attempt(readExtent(manager, stream)),
    };
    const place = (at: BlockAddress, appendMark: () => Promise<number>): Promise<FollowerPlace> =>
      placeOf(at, journal, appendMark);
    this.#follower = new BlockFollower({ connection, manager, stream, elections, place }, from, follower);
  }

  deliverNow(sequence: number): void {
    this.#follower?.deliverNow(sequence);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#parts.check.close();
    this.#parts.elections.close();
    this.#parts.publishes.close();
    this.#follower?.close();
    await this.#parts.connection.close();
  }

  #ask<Value>(promise: Promise<Value>): Promise<Value> {
    if (!this.#closed) return this.#parts.elections.attempt(promise);
    promise.catch(() => undefined);
    return Promise.reject(new JournalError('closed', 'the journal is closed'));
  }
}

/**
 * The leader of the stream answers. One that is cut off may have an old state: see `Journal.last`.
 */
export async function readId(manager: JetStreamManager, stream: string, sequence: number): Promise<string | undefined> {
  try {
    const message = await manager.streams.getMessage(stream, { seq: sequence });
    return message?.header.get('Nats-Msg-Id');
  } catch (error) {
    const code = codeOf(error);
    if (code === NO_MESSAGE || code === NO_STREAM) return undefined;
    throw error;
  }
}

async function readExtent(manager: JetStreamManager, stream: string): Promise<JournalExtent> {
  const { state } = await manager.streams.info(stream);
  return { first: Math.max(1, state.first_seq), last: state.last_seq, bytes: state.bytes };
}

/**
 * Repeats a question until it has an answer. A broker that dies answers nothing, so an attempt must
 * give up long before the deadline (`REQUEST_TIMEOUT_MS`).
 * @throws JournalError `unknown` after `ANSWER_DEADLINE_MS`, `closed`
 */
export async function answer<Value>(ask: () => Promise<Value>): Promise<Value> {
  const endMs = performance.now() + ANSWER_DEADLINE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof JournalError) throw error;
      if (error instanceof ClosedConnectionError) throw new JournalError('closed', 'the connection is closed');
      if (performance.now() >= endMs) throw new JournalError('unknown', messageOf(error));
      await delay(RETRY_WAIT_MS);
    }
  }
}

function codeOf(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined;
}

function messageOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
