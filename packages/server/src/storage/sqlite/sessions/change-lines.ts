import type { TransportName } from '@polycast/protocol';
import type { JournalChange } from '../../../core/session-journal/session-journal-store.ts';
import type { ChannelChange, SessionEnd, SessionRecord } from '../../../core/session-journal/session-record.ts';

/**
 * A change of the journal as a line of JSON: an array whose first item says which change it is.
 * Example:
 * `[2,7,"ann",1763805600000,120,"network",0,[],[]]` is the end of Ann's session 7 at position 120.
 */
export type ChangeLine = OpenedLine | ChangedLine | EndedLine;

const OPENED = 0;
const CHANGED = 1;
const ENDED = 2;

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

export function lineOf(change: JournalChange): ChangeLine {
  if (change.kind === 'opened') return openedLine(change.session);
  if (change.kind === 'ended') return [ENDED, change.session, change.user ?? null, ...endMembers(change.end)];
  const { session, authenticatedSinceMs } = change;
  const { timeMs, position, channels, user } = change.change;
  return [CHANGED, session, timeMs, position, channels, user ?? null, authenticatedSinceMs ?? null];
}

export function parseLine(text: string): ChangeLine {
  return JSON.parse(text) as ChangeLine;
}

/** What a line is found by, besides its session's number. */
export interface LineSubject {
  readonly user: string | null;
  /** The session's id, where it opens. */
  readonly id: string | null;
  /** When the session opened, in the line that opens or authenticates it. */
  readonly openedMs: number | null;
}

export function subjectOf(line: ChangeLine): LineSubject {
  if (line[0] === OPENED) return { user: line[2], id: line[4], openedMs: line[3] };
  if (line[0] === CHANGED) return { user: line[5], id: null, openedMs: line[6] };
  return { user: line[2], id: null, openedMs: null };
}

export function isOpening(line: ChangeLine): boolean {
  return line[0] === OPENED;
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
