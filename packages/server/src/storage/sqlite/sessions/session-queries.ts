import { RecordBuilder, userOfLine, type Run } from '../../../core/session-journal/change-lines.ts';
import { hashOf, hashOfId, NOT_OPENED } from '../../../core/session-journal/line-subjects.ts';
import { comparePlaces, type UserSessionsQuery } from '../../../core/session-journal/session-journal-store.ts';
import type { SessionRecord } from '../../../core/session-journal/session-record.ts';
import type { Segment } from './segment.ts';
import type { SegmentRing } from './segment-ring.ts';
import { UserSelection } from './user-selection.ts';

/** Lines that a question needs, by their index in their segment. */
export type WantedLines = Map<Segment, readonly number[]>;

/** Finds sessions in the journal: by columns first, then by the few lines that they lead to. */
export class SessionQueries {
  readonly #ring: SegmentRing;
  readonly #runOf: (session: number) => Run | undefined;

  /** @param runOf the run of a session; `undefined` if it is not stored any more */
  constructor(ring: SegmentRing, runOf: (session: number) => Run | undefined) {
    this.#ring = ring;
    this.#runOf = runOf;
  }

  get(number: number): SessionRecord | undefined {
    return this.#withNumbers(new Set([number]))[0];
  }

  find(id: string): SessionRecord | undefined {
    const hash = hashOfId(id);
    for (const segment of this.#ring.segments.toReversed())
      for (const number of openedWithHash(segment, hash)) {
        const found = this.get(number);
        if (found?.id === id) return found;
      }
    return undefined;
  }

  /** Sessions with numbers below `before`, the newest first. */
  page(before: number, limit: number): readonly SessionRecord[] {
    const numbers: number[] = [];
    for (const segment of this.#ring.segments.toReversed()) {
      if (numbers.length >= limit) break;
      if (segment.firstSession < before) numbers.push(...openedBefore(segment, before, limit - numbers.length));
    }
    return this.#withNumbers(new Set(numbers)).toReversed();
  }

  ofUser(query: UserSessionsQuery): readonly SessionRecord[] {
    // Another user may have the same hash. It takes no place among the wanted ones.
    for (const others = new Set<number>(); ;) {
      const numbers = this.#numbersOfUser(query, others);
      const records = this.#recordsOf(query.user, numbers);
      const found = records.filter(({ user }) => user !== query.user);
      for (const { number } of found) others.add(number);
      if (found.length > 0) continue;
      return 'fromMs' in query ? records.sort(comparePlaces) : records.sort(comparePlaces).toReversed();
    }
  }

  #recordsOf(user: string, numbers: ReadonlySet<number>): SessionRecord[] {
    const records = this.#records(this.linesOfUser(user, numbers));
    const missing = new Set(numbers);
    for (const { number } of records) missing.delete(number);
    // Those that authenticated later have opened without the user's name.
    return missing.size === 0 ? records : [...records, ...this.#withNumbers(missing)];
  }

  /** Lines of some sessions with a user's name. Another user with the same hash may have some. */
  linesOfUser(user: string, numbers: ReadonlySet<number>): WantedLines {
    const hash = hashOf(user);
    const wanted: WantedLines = new Map();
    for (const segment of this.#ring.segments) {
      using view = segment.view();
      const { userHashes } = view.columns;
      const lines: number[] = [];
      for (let index = userHashes.indexOf(hash); index >= 0; index = userHashes.indexOf(hash, index + 1))
        if (numbers.has(view.columns.sessions[index] as number)) lines.push(index);
      if (lines.length > 0) wanted.set(segment, lines);
    }
    return wanted;
  }

  /** A user's sessions with numbers below `oldest` that have lines: their openings are gone. */
  unopenedOfUser(user: string, oldest: number): readonly number[] {
    const hash = hashOf(user);
    const numbers: number[] = [];
    for (const segment of this.#ring.segments) {
      using view = segment.view();
      const { sessions, userHashes } = view.columns;
      for (let index = userHashes.indexOf(hash); index >= 0; index = userHashes.indexOf(hash, index + 1)) {
        const line = (sessions[index] as number) < oldest ? view.line(index) : undefined;
        if (line !== undefined && userOfLine(line) === user) numbers.push(line[1]);
      }
    }
    return numbers;
  }

  /** All lines of some sessions. */
  linesOfSessions(numbers: ReadonlySet<number>): WantedLines {
    const from = Math.min(...numbers);
    const through = Math.max(...numbers);
    const wanted: WantedLines = new Map();
    for (const segment of this.#ring.segments) {
      if (segment.lastSession < from) continue;
      using view = segment.view();
      const { sessions } = view.columns;
      const lines: number[] = [];
      for (let index = 0; index < sessions.length; index++) {
        const session = sessions[index] as number;
        if (session >= from && session <= through && numbers.has(session)) lines.push(index);
      }
      if (lines.length > 0) wanted.set(segment, lines);
    }
    return wanted;
  }

  #withNumbers(numbers: ReadonlySet<number>): SessionRecord[] {
    if (numbers.size === 0) return [];
    return this.#records(this.linesOfSessions(numbers)).sort((one, other) => one.number - other.number);
  }

  /** The records that these lines tell of. A session without its opening has none. */
  #records(wanted: WantedLines): SessionRecord[] {
    const builder = new RecordBuilder();
    for (const [segment, lines] of wanted) {
      using view = segment.view();
      for (const index of lines) {
        const line = view.line(index);
        if (line !== undefined) builder.add(line, this.#runOf(line[1]));
      }
    }
    return [...builder.records];
  }

  /** The sessions that a query selects, by their numbers. */
  #numbersOfUser(query: UserSessionsQuery, others: ReadonlySet<number>): ReadonlySet<number> {
    const hash = hashOf(query.user);
    const selection = new UserSelection(query);
    for (const segment of selection.inOrder(this.#ring.segments)) {
      if (!selection.mayTakeFrom(segment)) continue;
      using view = segment.view();
      const { userHashes } = view.columns;
      for (let index = userHashes.indexOf(hash); index >= 0; index = userHashes.indexOf(hash, index + 1)) {
        const number = view.columns.sessions[index] as number;
        const second = view.columns.seconds[index] as number;
        if (second !== NOT_OPENED && !others.has(number)) selection.offer({ second, number });
      }
    }
    return selection.numbers();
  }
}

/** The sessions that opened in a segment with this hash of their id. */
function openedWithHash(segment: Segment, hash: number): readonly number[] {
  using view = segment.view();
  const { idHashes } = view.columns;
  const numbers: number[] = [];
  for (let index = idHashes.indexOf(hash); index >= 0; index = idHashes.indexOf(hash, index + 1))
    numbers.push(view.columns.sessions[index] as number);
  return numbers;
}

/** The newest sessions that opened in a segment, with numbers below `before`. */
function openedBefore(segment: Segment, before: number, limit: number): readonly number[] {
  using view = segment.view();
  const { sessions, idHashes } = view.columns;
  const numbers: number[] = [];
  // Sessions open in the order of their numbers.
  for (let index = sessions.length - 1; index >= 0 && numbers.length < limit; index--)
    if (idHashes[index] !== 0 && (sessions[index] as number) < before) numbers.push(sessions[index] as number);
  return numbers;
}
