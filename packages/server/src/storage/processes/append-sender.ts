import type { AppendOutcome, NewRecord } from '../../core/ports.ts';
import type { OwnerLink } from '../../processes/owner-link.ts';
import { decodeJson } from '../../processes/process-channel.ts';
import { encodeBatch } from '../shared/batch-codec.ts';

/** Bounds of one message, in records and bytes. A message takes whole appends, and always one. */
const MESSAGE_RECORDS_MAX = 8192;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Appends wait this long for another owner, then they are rejected. */
const OWNER_WAIT_MS = 5000;

interface Append {
  readonly records: readonly NewRecord[];
  readonly bytes: number;
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends a follower's appends to the owner, which commits them together with its own. The publisher
 * bounds the bytes that wait (`limits.appendQueueBytesMax`).
 *
 * A lone publisher's append leaves immediately. Publishers that shared a message publish together
 * again, so then one message takes the appends of a whole turn of the event loop.
 */
export class AppendSender {
  readonly #owner: OwnerLink;
  #waiting: Append[] = [];
  #isScheduled = false;
  #messagesInFlight = 0;
  #lastWasAlone = true;
  #onDrained: (() => void) | undefined;

  constructor(owner: OwnerLink) {
    this.#owner = owner;
  }

  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    const bytes = records.reduce((sum, { body }) => sum + body.byteLength, 0);
    const { promise, resolve, reject } = Promise.withResolvers<readonly AppendOutcome[]>();
    this.#waiting.push({ records, bytes, resolve, reject });
    if (this.#isScheduled) return promise;
    this.#isScheduled = true;
    if (this.#lastWasAlone && this.#messagesInFlight === 0) void this.#sendAll();
    else setImmediate(() => void this.#sendAll());
    return promise;
  }

  /** Resolves when no append waits for its outcome. */
  async drained(): Promise<void> {
    if (!this.#isScheduled && this.#messagesInFlight === 0) return;
    await new Promise<void>((resolve) => void (this.#onDrained = resolve));
  }

  async #sendAll(): Promise<void> {
    try {
      if (!this.#owner.isConnected) await this.#owner.whenConnected(OWNER_WAIT_MS);
      this.#isScheduled = false;
      while (this.#waiting.length > 0) void this.#send(this.#takeMessage());
    } catch (error) {
      this.#isScheduled = false;
      for (const { reject } of this.#waiting.splice(0)) reject(error);
      this.#settle();
    }
  }

  /** An append whose owner ends may be stored, or not. It is rejected. */
  async #send(appends: readonly Append[]): Promise<void> {
    this.#messagesInFlight++;
    this.#lastWasAlone = appends.length === 1;
    try {
      const [{ records: own }] = appends as readonly [Append, ...Append[]];
      const batch = encodeBatch(this.#lastWasAlone ? own : appends.flatMap(({ records }) => records));
      const outcomes = decodeJson<AppendOutcome[]>(await this.#owner.request('append', Buffer.from(batch)));
      let start = 0;
      for (const { records, resolve } of appends) resolve(outcomes.slice(start, (start += records.length)));
    } catch (error) {
      for (const { reject } of appends) reject(error);
    }
    this.#messagesInFlight--;
    this.#settle();
  }

  #settle(): void {
    if (!this.#isScheduled && this.#messagesInFlight === 0) this.#onDrained?.();
  }

  #takeMessage(): readonly Append[] {
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const append of this.#waiting) {
      records += append.records.length;
      bytes += append.bytes;
      if (count > 0 && (records > MESSAGE_RECORDS_MAX || bytes > MESSAGE_BYTES_MAX)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}
