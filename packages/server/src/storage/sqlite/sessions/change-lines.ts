import type { TransportName } from '@polycast/protocol';
import type { JournalChange } from '../../../core/session-journal/session-journal-store.ts';
import type { ChannelChange, SessionEnd, SessionRecord } from '../../../core/session-journal/session-record.ts';

/**
 * A change of the journal as a line of JSON: an array whose first item says which change it is.
 * Example:
 * `[2,7,"ann",1763805600000,120,"network",0,[],[]]` is the end of Ann's session 7 at position 120.
 */
type ChangeLine = OpenedLine | ChangedLine | EndedLine;

const OPENED = 0;
const CHANGED = 1;
const ENDED = 2;
/** A crowd that connects at once differs in little, so the line of one session costs little. */
const OPENED_ALIKE = 3;

type OpenedLine = readonly [
  kind: typeof OPENED,
  session: number,
  user: string | null,
  openedMs: number,
  id: string,
  transport: TransportName | null,
  principal: SessionRecord['kind'],
  key: string | null,
  client: string | null,
  address: string,
  excludesOwn: 0 | 1,
  openedAt: number | null,
  channels: readonly string[],
  types: readonly string[] | null,
  end: EndMembers | null,
];

/** An opening whose other members are those of the nearest `OpenedLine` before it in its batch. */
type OpenedAlikeLine = readonly [
  kind: typeof OPENED_ALIKE,
  session: number,
  user: string | null,
  openedLaterMs: number,
  id: string,
  openedAt: number | null,
];

type ChangedLine = readonly [
  kind: typeof CHANGED,
  session: number,
  timeMs: number,
  position: number,
  channels: readonly string[],
  user: string | null,
  authenticatedSinceMs: number | null,
];

type EndedLine = readonly [kind: typeof ENDED, session: number, user: string | null, ...EndMembers];

type EndMembers = readonly [
  timeMs: number,
  position: number | null,
  reason: SessionEnd['reason'],
  polls: number,
  skipped: SessionEnd['skipped'],
  gaps: SessionEnd['gaps'],
];

/** Writes changes as lines, in the order of their batch. */
export class LineWriter {
  /** The last opening with a full line. */
  #full: SessionRecord | undefined;

  /** The next line is the first one of a batch, so that no line needs another batch. */
  startBatch(): void {
    this.#full = undefined;
  }

  textOf(change: JournalChange): string {
    if (change.kind !== 'opened') return JSON.stringify(laterLine(change));
    const { session } = change;
    const full = this.#full;
    if (full === undefined || session.end !== undefined || !isAlike(session, full)) {
      this.#full = session;
      return JSON.stringify(openedLine(session));
    }
    const { number, user, openedMs, id, openedAt } = session;
    // An `OpenedAlikeLine`, in half the time of JSON.stringify. Small numbers are text sooner.
    return `[${OPENED_ALIKE},${number},${textOrNull(user)},${openedMs - full.openedMs},${JSON.stringify(id)},${openedAt ?? null}]`;
  }
}

function textOrNull(text: string | undefined): string {
  return text === undefined ? 'null' : JSON.stringify(text);
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

/** The line at a place of a batch. `undefined`: it was erased. */
export function readLine(lines: readonly string[], index: number): ChangeLine | undefined {
  const line = parsedLine(lines[index]);
  if (line?.[0] !== OPENED_ALIKE) return line;
  const full = parsedLine(lines.findLast((each, place) => place < index && each.startsWith(`[${OPENED},`)));
  if (full?.[0] !== OPENED) return undefined;
  const [, session, user, laterMs, id, openedAt] = line;
  const [, , , fullMs, , transport, principal, key, client, address, excludesOwn, , channels, types] = full;
  const openedMs = fullMs + laterMs;
  const same = [transport, principal, key, client, address, excludesOwn] as const;
  return [OPENED, session, user, openedMs, id, ...same, openedAt, channels, types, null];
}

function parsedLine(text: string | undefined): ChangeLine | OpenedAlikeLine | undefined {
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as ChangeLine | OpenedAlikeLine);
}

/**
 * The lines of a batch without those that are erased.
 * The others keep their places, since keys name them.
 */
export function withoutLines(lines: readonly string[], erased: ReadonlySet<number>): readonly string[] {
  return lines.map((line, index) => {
    if (erased.has(index)) return '';
    // The full opening before it may be erased.
    return line.startsWith(`[${OPENED_ALIKE},`) ? JSON.stringify(readLine(lines, index)) : line;
  });
}

/** What a line is found by. */
export interface LineSubject {
  readonly session: number;
  readonly user: string | null;
  /** The session's id, where it opens. */
  readonly id: string | null;
  /** When the session opened, in the line that opens or authenticates it. */
  readonly openedMs: number | null;
}

export function subjectOf(change: JournalChange): LineSubject {
  if (change.kind === 'opened') {
    const { number, user, id, openedMs } = change.session;
    return { session: number, user: user ?? null, id, openedMs };
  }
  const { session } = change;
  if (change.kind === 'ended') return { session, user: change.user ?? null, id: null, openedMs: null };
  return { session, user: change.change.user ?? null, id: null, openedMs: change.authenticatedSinceMs ?? null };
}

/** The subject of a line of a batch. `undefined`: it was erased. */
export function subjectOfLine(lines: readonly string[], index: number): LineSubject | undefined {
  const line = readLine(lines, index);
  if (line === undefined) return undefined;
  const session = line[1];
  if (line[0] === OPENED) return { session, user: line[2], id: line[4], openedMs: line[3] };
  if (line[0] === ENDED) return { session, user: line[2], id: null, openedMs: null };
  return { session, user: line[5], id: null, openedMs: line[6] };
}

function laterLine(change: Exclude<JournalChange, { readonly kind: 'opened' }>): ChangedLine | EndedLine {
  if (change.kind === 'ended') return [ENDED, change.session, change.user ?? null, ...endMembers(change.end)];
  const { session, authenticatedSinceMs } = change;
  const { timeMs, position, channels, user } = change.change;
  return [CHANGED, session, timeMs, position, channels, user ?? null, authenticatedSinceMs ?? null];
}

function openedLine(session: SessionRecord): OpenedLine {
  const { number, user, openedMs, id, transport, kind, key, client, address } = session;
  const { excludesOwn, openedAt, channels, types, end } = session;
  return [
    OPENED,
    number,
    user ?? null,
    openedMs,
    id,
    transport ?? null,
    kind,
    key ?? null,
    client ?? null,
    address,
    excludesOwn ? 1 : 0,
    openedAt ?? null,
    channels,
    types ?? null,
    end === undefined ? null : endMembers(end),
  ];
}

function endMembers({ timeMs, position, reason, polls, skipped, gaps }: SessionEnd): EndMembers {
  return [timeMs, position ?? null, reason, polls, skipped, gaps];
}

function endOf([timeMs, position, reason, polls, skipped, gaps]: EndMembers): SessionEnd {
  return { timeMs, position: position ?? undefined, reason, polls, skipped, gaps };
}

/** A run of a hub, as far as its sessions need it. */
export interface Run {
  readonly epoch: string;
  /** When it wrote last. */
  readonly seenMs: number;
  /** It is not the run of this process. */
  readonly isOver: boolean;
}

/** Builds the records of sessions from their changes, which come in their order. */
export class RecordBuilder {
  readonly #records = new Map<number, SessionRecord>();
  readonly #changes = new Map<number, ChannelChange[]>();

  /** @param run the run that wrote the line; `undefined` if it is not stored any more */
  add(line: ChangeLine, run: Run | undefined): void {
    if (line[0] === OPENED) return void this.#records.set(line[1], this.#opened(line, run));
    const record = this.#records.get(line[1]);
    if (record === undefined) return;
    if (line[0] === ENDED) {
      const [, number, , ...end] = line;
      this.#records.set(number, { ...record, end: endOf(end) });
      return;
    }
    const [, number, timeMs, position, channels, user] = line;
    this.#changes.get(number)?.push({ timeMs, position, channels, user: user ?? undefined });
    if (user !== null && record.user === undefined) this.#records.set(number, { ...record, user });
  }

  /** The records, in the order of their openings. */
  get records(): IterableIterator<SessionRecord> {
    return this.#records.values();
  }

  #opened(line: OpenedLine, run: Run | undefined): SessionRecord {
    const [, number, user, openedMs, id, transport, kind, key, client, address, ...rest] = line;
    const [excludesOwn, openedAt, channels, types, end] = rest;
    const changes: ChannelChange[] = [];
    this.#changes.set(number, changes);
    return {
      number,
      id,
      transport: transport ?? undefined,
      kind,
      user: user ?? undefined,
      key: key ?? undefined,
      client: client ?? undefined,
      address,
      excludesOwn: excludesOwn === 1,
      channels,
      changes,
      types: types ?? undefined,
      epoch: run?.epoch ?? '',
      openedMs,
      openedAt: openedAt ?? undefined,
      end: end === null ? endWithHub(run, openedMs) : endOf(end),
    };
  }
}

/** The end of a session that its hub did not record: the hub was killed, or lost its power. */
function endWithHub(run: Run | undefined, openedMs: number): SessionEnd | undefined {
  if (run?.isOver === false) return undefined;
  const timeMs = Math.max(openedMs, run?.seenMs ?? openedMs);
  return { timeMs, position: undefined, reason: 'hub', polls: 0, skipped: [], gaps: [] };
}
