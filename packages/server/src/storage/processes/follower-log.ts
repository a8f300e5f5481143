import { PolycastError, type Cursor } from '@polycast/protocol';
import type {
  ChannelQuery,
  ChannelState,
  CountedPage,
  CountQuery,
  Log,
  LogErasing,
  LogState,
  NewRecord,
  AppendOutcome,
  Position,
  ReadPage,
  ReadQuery,
  StoredRecord,
  TrimOrder,
} from '../../core/ports.ts';
import type { OwnerLink } from '../../processes/owner-link.ts';
import { decodeJson, encodeJson } from '../../processes/process-channel.ts';
import type { Welcome } from '../../processes/process-place.ts';
import { decodeEvents } from './event-messages.ts';
import type { LogStatus, Trim } from './followed-log.ts';
import { AppendSender } from './append-sender.ts';
import { FileReader } from './file-reader.ts';
import { OWNER_SILENT_MAX_MS, type FollowerParts } from './follower-parts.ts';

/** A cursor ahead of this process waits at most this long for the owner. */
const REACH_TIMEOUT_MS = 5000;
/** Bounds of one read of events that were missed between two owners. */
const MISSED_COUNT_MAX = 1000;
const MISSED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The log of a follower. Appends go to the owner. Events come from the owner's commits, and older
 * ones from the SQLite file, which every process reads.
 *
 * After the owner was replaced, the follower reads the events that it missed from the file. If it
 * cannot read all of them, it calls `onOutOfSync`, and the process must end. The next process
 * starts from the file, and the clients return with their cursors.
 */
export class FollowerLog implements Log {
  readonly #owner: OwnerLink;
  readonly #file: FileReader;
  readonly #isInCluster: boolean;
  readonly #appends: AppendSender;
  readonly #epoch: string;
  readonly #epochStart: Position;
  readonly #onOutOfSync: (why: string) => void;
  #head: Position;
  #status: LogStatus;
  /** When the owner has sent it. */
  #statusMs: number = performance.now();
  #listener: (records: readonly StoredRecord[]) => void = () => undefined;
  /** Set while missed events are read: the commits that arrived meanwhile. */
  #arrived: StoredRecord[] | undefined;
  #caughtUp: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor({ owner, welcome, onErased, onOutOfSync, isInCluster }: FollowerParts, folder: string) {
    this.#owner = owner;
    this.#file = new FileReader(folder, isInCluster);
    this.#isInCluster = isInCluster;
    this.#appends = new AppendSender(owner);
    this.#epoch = welcome.epoch;
    this.#epochStart = welcome.epochStart;
    this.#head = welcome.head;
    this.#status = { unavailable: welcome.unavailable ?? null, channels: 0, notReadyReason: null, problems: [] };
    this.#onOutOfSync = onOutOfSync;
    owner.on('events', (body) => this.#receive(decodeEvents(body)));
    owner.on('log', (body) => {
      this.#status = decodeJson(body);
      this.#statusMs = performance.now();
    });
    owner.on('erased', async (body) => {
      const positions = decodeJson<readonly Position[]>(body);
      onErased(positions);
      if (this.#arrived !== undefined) {
        // Erased events may be on their way from the file, or wait behind those.
        await this.#caughtUp;
        onErased(positions);
      }
      return encodeJson(null);
    });
    owner.onWelcome((next) => this.#follow(next));
  }

  get state(): LogState {
    return {
      epoch: this.#epoch,
      epochStart: this.#epochStart,
      head: this.#head,
      unavailable:
        this.#isClosed || !this.#owner.isConnected ? 'log_unavailable' : (this.#status.unavailable ?? undefined),
    };
  }

  async append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    if (this.#isClosed) throw closedError();
    return records.length === 0 ? [] : this.#appends.append(records);
  }

  follow(listener: (records: readonly StoredRecord[]) => void): void {
    this.#listener = listener;
  }

  get notReadyReason(): Log['notReadyReason'] {
    if (this.#isInCluster && performance.now() - this.#statusMs > OWNER_SILENT_MAX_MS) return 'cluster_silent';
    return this.#status.notReadyReason ?? undefined;
  }

  get problems(): readonly string[] {
    return this.#status.problems;
  }

  /** Another hub of a cluster may have given a cursor of a later epoch. */
  reach(cursor: Cursor): Promise<void> | undefined {
    const { epoch, position } = cursor;
    const isReached = epoch < this.#epoch || (epoch === this.#epoch && position <= this.#head);
    return isReached ? undefined : this.#reachOwner(cursor);
  }

  async #reachOwner(cursor: Cursor): Promise<void> {
    await this.#owner.whenConnected(REACH_TIMEOUT_MS);
    await this.#owner.request('reach', encodeJson(cursor));
    await this.#caughtUp;
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    if (this.#isClosed) throw closedError();
    if (this.#head === 0) return { records: [], ...emptyRange(query) };
    return this.#file.read(this.#bounded(query));
  }

  async count(query: CountQuery): Promise<CountedPage> {
    if (this.#isClosed) throw closedError();
    if (this.#head === 0) return { count: 0, ...emptyRange(query) };
    return this.#file.count(this.#bounded(query));
  }

  async channels(query: ChannelQuery): Promise<readonly ChannelState[]> {
    return this.#ask('channels', encodeJson(query));
  }

  async trim(
    orders: readonly TrimOrder[],
    nowMs: number,
  ): Promise<{ readonly removed: number; readonly more: boolean }> {
    return this.#ask('trim', encodeJson({ orders, nowMs } satisfies Trim));
  }

  get erasing(): LogErasing {
    return {
      erase: (order) => this.#ask('erase', encodeJson(order)),
      overwrite: () => this.#ask('overwrite', NO_BYTES),
    };
  }

  stats(): Readonly<Record<string, number>> {
    return { channels: this.#status.channels, reads: this.#file.reads };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#appends.drained();
    await this.#file.close();
  }

  /** What only the owner can do with the log. */
  async #ask<Answer>(name: string, body: Buffer): Promise<Answer> {
    if (this.#isClosed) throw closedError();
    return decodeJson<Answer>(await this.#owner.request(name, body));
  }

  /** The file may have newer events than this process: they follow with their commit. */
  #bounded<Query extends CountQuery>(query: Query): Query {
    return { ...query, through: Math.max(query.after, Math.min(query.through, this.#head)) };
  }

  #receive(records: readonly StoredRecord[]): void {
    if (this.#arrived !== undefined) return void this.#arrived.push(...records);
    this.#deliver(records);
  }

  /** Positions that this process has already are left out. */
  #deliver(records: readonly StoredRecord[]): void {
    const [first] = records;
    const last = records.at(-1);
    if (first === undefined || last === undefined || last.position <= this.#head) return;
    const unseen = first.position > this.#head ? records : records.filter(({ position }) => position > this.#head);
    this.#head = last.position;
    this.#listener(unseen);
  }

  /** Continues with another owner. */
  #follow({ epoch, head, unavailable }: Welcome): void {
    // The owner of a view may have built it again.
    if (this.#isInCluster) this.#file.reopen();
    this.#status = { ...this.#status, unavailable: unavailable ?? null };
    if (epoch !== this.#epoch) return this.#onOutOfSync('the log has a new epoch');
    if (head < this.#head) return this.#onOutOfSync('the log is older than this process');
    if (this.#arrived !== undefined) return this.#onOutOfSync('the owner was replaced twice in a moment');
    if (head === this.#head) return;
    this.#arrived = [];
    this.#caughtUp = this.#catchUp(head).catch((error: unknown) => this.#onOutOfSync(String(error)));
  }

  async #catchUp(through: Position): Promise<void> {
    while (this.#head < through) {
      const after = this.#head;
      const page = await this.#file.read({ ...ALL_EVENTS, after, through });
      if (page.trimmedThrough > after || page.corruptThrough > after)
        return this.#onOutOfSync('events were removed before this process had them');
      this.#deliver(page.records);
      this.#head = Math.max(this.#head, page.reached);
    }
    const arrived = this.#arrived ?? [];
    this.#arrived = undefined;
    this.#deliver(arrived);
  }
}

const ALL_EVENTS = {
  patterns: ['>'],
  types: undefined,
  direction: 'forward',
  limit: MISSED_COUNT_MAX,
  bytesMax: MISSED_BYTES_MAX,
} as const;

const NO_BYTES = Buffer.alloc(0);

function emptyRange({ after }: CountQuery): Omit<CountedPage, 'count'> {
  return { reached: after, trimmedThrough: after, erasedThrough: after, corruptThrough: after };
}

function closedError(): PolycastError {
  return new PolycastError('log_unavailable', 'The log is closed.');
}
