import { CHANGED, ENDED, FULL_LINE_WITHIN, OPENED, OPENED_ALIKE } from './change-lines.ts';
import { JsonBytes } from './json-bytes.ts';
import { hashOf, hashOfId, NOT_OPENED, subjectSecond, type LineSubject, type LineSubjects } from './line-subjects.ts';
import type { ChannelChange, JournalChange, SessionEnd, SessionRecord } from './session-record.ts';

/** The changes of a batch, at most. Its alike lines need a full line that is in it. */
export const BATCH_LINES: number = FULL_LINE_WITHIN;

/**
 * Changes of the journal that are stored together, as the bytes of their lines (`change-lines.ts`).
 * A change is written into the batch soon after it happens. So a change that waits for the disk
 * costs the garbage collector nothing: the batch has no objects, and its room is used again.
 */
export class ChangeBatch {
  readonly #lines = new JsonBytes();
  /** Six numbers of each line, side by side: an opening writes to few places of memory. */
  readonly #table = new Float64Array(BATCH_LINES * COLUMNS);
  #count = 0;
  #openings = 0;
  /** The last opening with a full line. */
  #full: SharedMembers | undefined;

  /** The number of changes. */
  get count(): number {
    return this.#count;
  }

  /** The number of sessions that open in it. */
  get openings(): number {
    return this.#openings;
  }

  /** Its lines, in ASCII, each with its line break. They are valid until the batch changes. */
  get bytes(): Uint8Array {
    return this.#lines.bytes;
  }

  /** The memory that it takes. */
  get roomBytes(): number {
    return TABLE_BYTES + this.#lines.roomBytes;
  }

  /** Adds a change, which may change later. Call it only while `count` is below `BATCH_LINES`. */
  add(change: JournalChange): void {
    switch (change.kind) {
      case 'opened':
        return this.#addOpening(change.session);
      case 'ended':
        this.#writeEnd(change.session, change.user, change.end);
        return this.#endLine(ENDED, change.session, change.user, 0, -1);
      case 'changed': {
        const { session, change: channels, authenticatedSinceMs: sinceMs } = change;
        this.#writeChange(session, channels, sinceMs);
        this.#endLine(CHANGED, session, channels.user, 0, sinceMs ?? -1);
      }
    }
  }

  /** Whether `addAlike` may add an opening with these members. */
  isAlike(members: Omit<SharedMembers, 'openedMs'>): boolean {
    return this.#full !== undefined && areAlike(members, this.#full);
  }

  /** Adds an opening whose other members are those of the last full line. */
  addAlike(number: number, user: string | undefined, openedMs: number, id: string, openedAt: number | undefined): void {
    const laterMs = openedMs - (this.#full?.openedMs ?? 0);
    const line = this.#lines.raw(ALIKE_START).number(number).byte(COMMA).text(user).byte(COMMA).number(laterMs);
    line.byte(COMMA).text(id).byte(COMMA).number(openedAt).byte(BRACKET);
    this.#endLine(OPENED, number, user, hashOfId(id), openedMs);
  }

  /** What a line is found by. */
  subjectAt(index: number): LineSubject {
    const [, session = 0, userHash = 0, idHash = 0, openedMs = -1] = this.#table.subarray(index * COLUMNS);
    return { session, userHash, idHash, second: openedMs < 0 ? NOT_OPENED : subjectSecond(openedMs) };
  }

  /**
   * Copies what its lines are found by to a place among others.
   * @param offset of its bytes among the others
   */
  copySubjects(to: LineSubjects, index: number, offset: number): void {
    const table = this.#table;
    for (let line = 0; line < this.#count; line++) {
      const at = line * COLUMNS;
      const openedMs = table[at + OPENED_MS] as number;
      to.sessions[index + line] = table[at + SESSION] as number;
      to.userHashes[index + line] = table[at + USER_HASH] as number;
      to.idHashes[index + line] = table[at + ID_HASH] as number;
      to.seconds[index + line] = openedMs < 0 ? NOT_OPENED : subjectSecond(openedMs);
      to.ends[index + line] = offset + (table[at + END] as number);
    }
  }

  sessionAt(index: number): number {
    return this.#table[index * COLUMNS + SESSION] as number;
  }

  /** Whether a line ends its session. */
  isEnd(index: number): boolean {
    return this.#table[index * COLUMNS + KIND] === ENDED;
  }

  /** A copy without the later changes of some sessions. */
  withoutChangesOf(sessions: ReadonlySet<number>): ChangeBatch {
    const copy = new ChangeBatch();
    for (let index = 0; index < this.#count; index++) {
      const isOpening = this.#table[index * COLUMNS + KIND] === OPENED;
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
    const start = line === 0 ? 0 : from.#table[(line - 1) * COLUMNS + END];
    this.#lines.copy(from.bytes.subarray(start, from.#table[line * COLUMNS + END]));
    const at = this.#count++ * COLUMNS;
    this.#table.set(from.#table.subarray(line * COLUMNS, (line + 1) * COLUMNS), at);
    this.#table[at + END] = this.#lines.length;
    if (isOpening) this.#openings++;
  }

  #addOpening(session: SessionRecord): void {
    const { number, user, id, openedMs, openedAt } = session;
    if (session.end === undefined && this.isAlike(session)) return this.addAlike(number, user, openedMs, id, openedAt);
    this.#full = session;
    this.#writeOpening(session);
    this.#endLine(OPENED, number, user, hashOfId(id), openedMs);
  }

  /** @param openedMs -1: the line does not say when its session opened */
  #endLine(kind: number, session: number, user: string | undefined, idHash: number, openedMs: number): void {
    const table = this.#table;
    const at = this.#count * COLUMNS;
    table[at + KIND] = kind;
    table[at + SESSION] = session;
    table[at + USER_HASH] = user === undefined ? 0 : hashOf(user);
    table[at + ID_HASH] = idHash;
    table[at + OPENED_MS] = openedMs;
    table[at + END] = this.#lines.byte(LINE_BREAK).length;
    this.#count++;
    if (kind === OPENED) this.#openings++;
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

const ALIKE_START = `[${OPENED_ALIKE},`;
const LINE_BREAK = 10;
const COMMA = 44;
const BRACKET = 93;

/** The columns of a batch's table. The last is where the line ends, with its line break. */
const COLUMNS = 6;
const KIND = 0;
const SESSION = 1;
const USER_HASH = 2;
const ID_HASH = 3;
const OPENED_MS = 4;
const END = 5;
/** A batch without its lines. */
const TABLE_BYTES = BATCH_LINES * COLUMNS * 8 + 300;

/** The members of an opening that an `OpenedAlikeLine` does not have. */
type SharedMembers = Pick<
  SessionRecord,
  'transport' | 'kind' | 'key' | 'client' | 'address' | 'excludesOwn' | 'channels' | 'types' | 'openedMs'
>;

function areAlike(one: Omit<SharedMembers, 'openedMs'>, other: SharedMembers): boolean {
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
