import { CHANGED, ENDED, hashOf, OPENED, OPENED_ALIKE, type LineSubject } from './change-lines.ts';
import { JsonBytes } from './json-bytes.ts';
import type { ChannelChange, JournalChange, SessionEnd, SessionRecord } from './session-record.ts';

/** The changes of a batch, at most. A reader of one line reads its whole batch. */
export const BATCH_LINES = 64;

/**
 * Changes of the journal that are stored together, as the bytes of their lines (`change-lines.ts`).
 * A change is written into the batch when it happens. So a waiting change costs the garbage
 * collector nothing: the batch has no objects, and its room is used again.
 */
export class ChangeBatch {
  readonly #lines = new JsonBytes();
  readonly #kinds = new Uint8Array(BATCH_LINES);
  readonly #sessions = new Float64Array(BATCH_LINES);
  /** Where each line ends. */
  readonly #ends = new Uint32Array(BATCH_LINES);
  /** Hashes, and seconds since 1970; -1 for a line without one. */
  readonly #userHashes = new Float64Array(BATCH_LINES);
  readonly #idHashes = new Float64Array(BATCH_LINES);
  readonly #openedMs = new Float64Array(BATCH_LINES);
  #count = 0;
  #openings = 0;
  /** The last opening with a full line. */
  #full: SessionRecord | undefined;

  /** The number of changes. */
  get count(): number {
    return this.#count;
  }

  /** The number of sessions that open in it. */
  get openings(): number {
    return this.#openings;
  }

  /** Its lines, in ASCII. They are valid until the batch changes. */
  get bytes(): Uint8Array {
    return this.#lines.bytes;
  }

  /** The memory that it takes. */
  get roomBytes(): number {
    return TABLE_BYTES + this.#lines.roomBytes;
  }

  /** Adds a change, which may change later. Call it only while `count` is below `BATCH_LINES`. */
  add(change: JournalChange): void {
    const index = this.#count;
    if (index > 0) this.#lines.raw('\n');
    if (change.kind === 'opened') this.#addOpening(index, change.session);
    else {
      const isEnd = change.kind === 'ended';
      this.#describe(index, isEnd ? ENDED : CHANGED, change.session, isEnd ? change.user : change.change.user);
      if (isEnd) this.#writeEnd(change.session, change.user, change.end);
      else {
        this.#openedMs[index] = change.authenticatedSinceMs ?? -1;
        this.#writeChange(change.session, change.change, change.authenticatedSinceMs);
      }
    }
    this.#ends[index] = this.#lines.length;
    this.#count++;
  }

  /** What a line is found by. */
  subjectAt(index: number): LineSubject {
    return {
      session: this.sessionAt(index),
      userHash: known(this.#userHashes[index]),
      idHash: known(this.#idHashes[index]),
      openedMs: known(this.#openedMs[index]),
    };
  }

  sessionAt(index: number): number {
    return this.#sessions[index] ?? 0;
  }

  /** Whether a line ends its session. */
  isEnd(index: number): boolean {
    return this.#kinds[index] === ENDED;
  }

  /** A copy without the later changes of some sessions. */
  withoutChangesOf(sessions: ReadonlySet<number>): ChangeBatch {
    const copy = new ChangeBatch();
    for (let index = 0; index < this.#count; index++) {
      const isOpening = this.#kinds[index] === OPENED;
      if (isOpening || !sessions.has(this.sessionAt(index))) copy.#addLine(this, index, isOpening);
    }
    return copy;
  }

  /** Makes it empty again. Returns false if its room has become large, and should not be kept. */
  clear(): boolean {
    this.#count = 0;
    this.#openings = 0;
    this.#full = undefined;
    return this.#lines.clear();
  }

  #addLine(from: ChangeBatch, line: number, isOpening: boolean): void {
    const index = this.#count++;
    if (index > 0) this.#lines.raw('\n');
    const start = line === 0 ? 0 : (from.#ends[line - 1] as number) + 1;
    this.#lines.copy(from.bytes.subarray(start, from.#ends[line]));
    for (const [to, values] of [
      [this.#sessions, from.#sessions],
      [this.#userHashes, from.#userHashes],
      [this.#idHashes, from.#idHashes],
      [this.#openedMs, from.#openedMs],
      [this.#kinds, from.#kinds],
    ] as const)
      to[index] = values[line] as number;
    this.#ends[index] = this.#lines.length;
    if (isOpening) this.#openings++;
  }

  #describe(index: number, kind: number, session: number, user: string | undefined): void {
    this.#kinds[index] = kind;
    this.#sessions[index] = session;
    this.#userHashes[index] = user === undefined ? -1 : hashOf(user);
    this.#idHashes[index] = -1;
    this.#openedMs[index] = -1;
  }

  #addOpening(index: number, session: SessionRecord): void {
    this.#describe(index, OPENED, session.number, session.user);
    this.#idHashes[index] = hashOf(session.id);
    this.#openedMs[index] = session.openedMs;
    this.#openings++;
    const full = this.#full;
    if (full !== undefined && session.end === undefined && isAlike(session, full))
      return this.#writeAlikeOpening(session, session.openedMs - full.openedMs);
    this.#full = session;
    this.#writeOpening(session);
  }

  /** The members of an `OpenedLine`. */
  #writeOpening(session: SessionRecord): void {
    const { user, openedMs, id, transport, kind, key, client, address, excludesOwn } = session;
    const { openedAt, channels, types, end } = session;
    const line = this.#lines.raw('[').number(OPENED).raw(',').number(session.number);
    line.raw(',').text(user).raw(',').number(openedMs).raw(',').text(id).raw(',').text(transport);
    line.raw(',').text(kind).raw(',').text(key).raw(',').text(client).raw(',').text(address);
    line
      .raw(excludesOwn ? ',1,' : ',0,')
      .number(openedAt)
      .raw(',')
      .texts(channels)
      .raw(',')
      .texts(types);
    if (end === undefined) line.raw(',null]');
    else {
      line.raw(',[');
      this.#writeEndMembers(end);
      line.raw(']]');
    }
  }

  /** The members of an `OpenedAlikeLine`. */
  #writeAlikeOpening({ number, user, id, openedAt }: SessionRecord, laterMs: number): void {
    const line = this.#lines.raw('[').number(OPENED_ALIKE).raw(',').number(number).raw(',').text(user);
    line.raw(',').number(laterMs).raw(',').text(id).raw(',').number(openedAt).raw(']');
  }

  /** The members of a `ChangedLine`. */
  #writeChange(
    session: number,
    { timeMs, position, channels, user }: ChannelChange,
    sinceMs: number | undefined,
  ): void {
    const line = this.#lines.raw('[').number(CHANGED).raw(',').number(session).raw(',').number(timeMs);
    line.raw(',').number(position).raw(',').texts(channels).raw(',').text(user).raw(',').number(sinceMs).raw(']');
  }

  /** The members of an `EndedLine`. */
  #writeEnd(session: number, user: string | undefined, end: SessionEnd): void {
    this.#lines.raw('[').number(ENDED).raw(',').number(session).raw(',').text(user).raw(',');
    this.#writeEndMembers(end);
    this.#lines.raw(']');
  }

  #writeEndMembers({ timeMs, position, reason, polls, skipped, gaps }: SessionEnd): void {
    this.#lines.number(timeMs).raw(',').number(position).raw(',').text(reason).raw(',').number(polls);
    // Most sessions have no such ranges.
    if (skipped.length === 0 && gaps.length === 0) this.#lines.raw(',[],[]');
    else this.#lines.raw(`,${JSON.stringify(skipped)},${JSON.stringify(gaps)}`);
  }
}

/** The arrays of a batch without its lines. */
const TABLE_BYTES = BATCH_LINES * 37 + 500;

function known(value: number | undefined): number | undefined {
  return value === undefined || value < 0 ? undefined : value;
}

/** Whether two sessions differ only in what an `OpenedAlikeLine` has. */
function isAlike(one: SessionRecord, other: SessionRecord): boolean {
  return (
    one.transport === other.transport &&
    one.kind === other.kind &&
    one.key === other.key &&
    one.client === other.client &&
    one.address === other.address &&
    one.excludesOwn === other.excludesOwn &&
    areEqual(one.channels, other.channels) &&
    areEqual(one.types, other.types)
  );
}

function areEqual(some: readonly string[] | undefined, others: readonly string[] | undefined): boolean {
  if (some === others) return true;
  if (some === undefined || others === undefined || some.length !== others.length) return false;
  for (let index = 0; index < some.length; index++) if (some[index] !== others[index]) return false;
  return true;
}
