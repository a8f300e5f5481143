import {
  CHANGED,
  changeOfLine,
  ENDED,
  FULL_LINE_WITHIN,
  OPENED,
  OPENED_ALIKE,
  PLAIN_END,
  type Run,
} from './change-lines.ts';
import { asciiJson, JsonBytes } from './json-bytes.ts';
import { hashOf, hashOfId, LineSubjects, NOT_OPENED, subjectSecond } from './line-subjects.ts';
import type { ChannelChange, JournalChange, SessionEnd, SessionRecord } from './session-record.ts';

/** The changes of a batch, at most. Its alike lines need a full line that is in it. */
export const BATCH_LINES: number = FULL_LINE_WITHIN;

/**
 * Changes of the journal that are stored together, as the bytes of their lines (`change-lines.ts`).
 * A change is written into the batch soon after it happens. So a change that waits for the disk
 * costs the garbage collector nothing: the batch has no objects, and its room is used again.
 */
export class ChangeBatch {
  readonly #lines: JsonBytes;
  readonly #subjects = new LineSubjects(BATCH_LINES);
  #count = 0;
  #openings = 0;
  /** The last opening with a full line. */
  #full: FullOpening | undefined;
  /** The members that were found alike last: those of a crowd are one object. */
  #alike: SharedMembers | undefined;

  /** @param linesBytes the room for its lines that it begins with */
  constructor(linesBytes?: number) {
    this.#lines = new JsonBytes(linesBytes);
  }

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
    return SUBJECTS_BYTES + this.linesBytes;
  }

  /** The room for its lines. */
  get linesBytes(): number {
    return this.#lines.roomBytes;
  }

  /** Adds a change, which may change later. Call it only while `count` is below `BATCH_LINES`. */
  add(change: JournalChange): void {
    switch (change.kind) {
      case 'opened':
        return this.#addOpening(change.session);
      case 'ended':
        return this.#addEnd(change.session, change.user, change.end);
      case 'changed': {
        const { session, change: channels, authenticatedSinceMs: sinceMs } = change;
        this.#writeChange(session, channels, sinceMs);
        this.#endLine(CHANGED, session, channels.user, 0, sinceMs ?? -1);
      }
    }
  }

  /** Whether `addAlike` may add an opening with these members. */
  isAlike(members: SharedMembers): boolean {
    if (members === this.#alike) return true;
    if (this.#full === undefined || !areAlike(members, this.#full)) return false;
    this.#alike = members;
    return true;
  }

  /** Adds an opening whose other members are those of the last full line. */
  addAlike(number: number, user: string | undefined, openedMs: number, id: string, openedAt: number | undefined): void {
    const laterMs = openedMs - (this.#full?.openedMs ?? 0);
    if (openedAt !== undefined && this.#lines.plainLine(OPENED_ALIKE, number, user, laterMs, id, openedAt))
      return this.#endedLine(OPENED, number, user, hashOfId(id), openedMs);
    const line = this.#lines.raw(ALIKE_START).number(number).byte(COMMA).text(user).byte(COMMA).number(laterMs);
    line.byte(COMMA).text(id).byte(COMMA).number(openedAt).byte(BRACKET);
    this.#endLine(OPENED, number, user, hashOfId(id), openedMs);
  }

  /** What its lines are found by. They are valid until the batch changes. */
  get subjects(): LineSubjects {
    return this.#subjects;
  }

  /** The changes that its lines tell of. @param run that writes them */
  changes(run: Run): readonly JournalChange[] {
    const lines = this.#lines.ascii.split('\n').slice(0, -1);
    return lines.map((_, index) => changeOfLine(lines, index, run)).filter((change) => change !== undefined);
  }

  /** Makes it empty again. Returns false if its room has become large, and should not be kept. */
  clear(): boolean {
    this.#count = 0;
    this.#openings = 0;
    this.#full = undefined;
    this.#alike = undefined;
    return this.#lines.clear();
  }

  #addOpening(session: SessionRecord): void {
    const { number, user, id, openedMs, openedAt } = session;
    if (session.end === undefined && this.isAlike(session)) return this.addAlike(number, user, openedMs, id, openedAt);
    this.#full = session;
    this.#alike = undefined;
    this.#writeOpening(session);
    this.#endLine(OPENED, number, user, hashOfId(id), openedMs);
  }

  #addEnd(session: number, user: string | undefined, end: SessionEnd): void {
    const { timeMs, position, reason } = end;
    const isPlain = position !== undefined && end.polls === 0 && hasNoRanges(end);
    if (isPlain && this.#lines.plainLine(PLAIN_END, session, user, timeMs, reason, position))
      return this.#endedLine(ENDED, session, user, 0, -1);
    this.#writeEnd(session, user, end);
    this.#endLine(ENDED, session, user, 0, -1);
  }

  /** @param openedMs -1: the line does not say when its session opened */
  #endLine(kind: number, session: number, user: string | undefined, idHash: number, openedMs: number): void {
    this.#lines.byte(LINE_BREAK);
    this.#endedLine(kind, session, user, idHash, openedMs);
  }

  #endedLine(kind: number, session: number, user: string | undefined, idHash: number, openedMs: number): void {
    const at = this.#count++;
    const subjects = this.#subjects;
    subjects.sessions[at] = session;
    subjects.userHashes[at] = user === undefined ? 0 : hashOf(user);
    subjects.idHashes[at] = idHash;
    subjects.seconds[at] = openedMs < 0 ? NOT_OPENED : subjectSecond(openedMs);
    subjects.ends[at] = this.#lines.length;
    if (kind === OPENED) this.#openings++;
  }

  /**
   * The members of an `OpenedLine`. A crowd has one of these for hundreds of alike lines, so V8
   * does not compile what writes it. One call of `JSON.stringify` is fastest then.
   */
  #writeOpening(session: SessionRecord): void {
    const { number, user, openedMs, id, transport, kind, key, client, address, excludesOwn } = session;
    const { openedAt, channels, types, end } = session;
    const own = [OPENED, number, user, openedMs, id, transport, kind, key, client, address, excludesOwn ? 1 : 0];
    const members = asciiJson([...own, openedAt, channels, types]);
    const line = this.#lines.raw(members.slice(0, -1));
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

  #writeEndMembers(end: SessionEnd): void {
    const { timeMs, position, reason, polls, skipped, gaps } = end;
    this.#lines.number(timeMs).raw(',').number(position).raw(',').text(reason).raw(',').number(polls);
    if (hasNoRanges(end)) this.#lines.raw(',[],[]');
    else this.#lines.raw(`,${JSON.stringify(skipped)},${JSON.stringify(gaps)}`);
  }
}

const ALIKE_START = `[${OPENED_ALIKE},`;
const LINE_BREAK = 10;
const COMMA = 44;
const BRACKET = 93;

/** A batch without its lines. */
const SUBJECTS_BYTES = BATCH_LINES * 24 + 1000;

/** The members of an opening that an `OpenedAlikeLine` does not have. */
export type SharedMembers = Pick<
  SessionRecord,
  'transport' | 'kind' | 'key' | 'client' | 'address' | 'excludesOwn' | 'channels' | 'types'
>;

/** An opening that others are compared with. */
type FullOpening = SharedMembers & Pick<SessionRecord, 'openedMs'>;

/** Most sessions have none. */
function hasNoRanges({ skipped, gaps }: SessionEnd): boolean {
  return skipped.length === 0 && gaps.length === 0;
}

function areAlike(one: SharedMembers, other: SharedMembers): boolean {
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
