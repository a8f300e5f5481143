import { CHANGED, ENDED, OPENED, OPENED_ALIKE } from './change-lines.ts';
import { JsonBytes } from './json-bytes.ts';
import { hashOf, LineSubjects, NOT_OPENED, subjectSecond } from './line-subjects.ts';
import type { ChannelChange, JournalChange, SessionEnd, SessionRecord } from './session-record.ts';

/** The changes of a batch, at most. */
export const BATCH_LINES = 64;

/**
 * Changes of the journal that are stored together, as the bytes of their lines (`change-lines.ts`).
 * A change is written into the batch when it happens. So a waiting change costs the garbage
 * collector nothing: the batch has no objects, and its room is used again.
 */
export class ChangeBatch {
  readonly #lines = new JsonBytes();
  readonly #kinds = new Uint8Array(BATCH_LINES);
  readonly #subjects = new LineSubjects(BATCH_LINES);
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

  /** Its lines, in ASCII, each with its line break. They are valid until the batch changes. */
  get bytes(): Uint8Array {
    return this.#lines.bytes;
  }

  /** What its lines are found by, and where they end. */
  get subjects(): LineSubjects {
    return this.#subjects;
  }

  /** The memory that it takes. */
  get roomBytes(): number {
    return TABLE_BYTES + this.#lines.roomBytes;
  }

  /** Adds a change, which may change later. Call it only while `count` is below `BATCH_LINES`. */
  add(change: JournalChange): void {
    const index = this.#count++;
    switch (change.kind) {
      case 'opened':
        this.#addOpening(index, change.session);
        break;
      case 'ended':
        this.#describe(index, ENDED, change.session, change.user, 0, NOT_OPENED);
        this.#writeEnd(change.session, change.user, change.end);
        break;
      case 'changed': {
        const { session, change: channels, authenticatedSinceMs: sinceMs } = change;
        const second = sinceMs === undefined ? NOT_OPENED : subjectSecond(sinceMs);
        this.#describe(index, CHANGED, session, channels.user, 0, second);
        this.#writeChange(session, channels, sinceMs);
      }
    }
    this.#subjects.ends[index] = this.#lines.byte(LINE_BREAK).length;
  }

  sessionAt(index: number): number {
    return this.#subjects.sessions[index] ?? 0;
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
    const { ends } = from.subjects;
    this.#lines.copy(from.bytes.subarray(line === 0 ? 0 : ends[line - 1], ends[line]));
    this.#kinds[index] = from.#kinds[line] as number;
    this.#subjects.set(index, from.subjects.at(line));
    this.#subjects.ends[index] = this.#lines.length;
    if (isOpening) this.#openings++;
  }

  #describe(
    index: number,
    kind: number,
    session: number,
    user: string | undefined,
    idHash: number,
    second: number,
  ): void {
    this.#kinds[index] = kind;
    const subjects = this.#subjects;
    subjects.sessions[index] = session;
    subjects.userHashes[index] = user === undefined ? 0 : hashOf(user);
    subjects.idHashes[index] = idHash;
    subjects.seconds[index] = second;
  }

  #addOpening(index: number, session: SessionRecord): void {
    const { number, user, id, openedMs } = session;
    this.#describe(index, OPENED, number, user, hashOf(id), subjectSecond(openedMs));
    this.#openings++;
    const full = this.#full;
    if (full !== undefined && session.end === undefined && isAlike(session, full))
      return this.#writeAlikeOpening(session, openedMs - full.openedMs);
    this.#full = { ...session };
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
    const line = this.#lines.raw(ALIKE_START).number(number).byte(COMMA).text(user).byte(COMMA).number(laterMs);
    line.byte(COMMA).text(id).byte(COMMA).number(openedAt).byte(BRACKET);
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

/** The arrays of a batch without its lines. */
const TABLE_BYTES = BATCH_LINES * 25 + 700;

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
