import type { TransportName } from '@polycast/protocol';
import { hashOf, hashOfId, NOT_OPENED, subjectSecond, type LineSubject } from './line-subjects.ts';
import { asciiJson } from './json-bytes.ts';
import type { ChannelChange, JournalChange, SessionEnd, SessionRecord } from './session-record.ts';

/**
 * A change of the journal as a line of JSON: an array whose first item says which change it is.
 * Example:
 * `[2,7,"ann",1763805600000,120,"idle",3,[],[]]` is the end of Ann's poller 7, after 3 polls.
 */
export type ChangeLine = OpenedLine | ChangedLine | EndedLine;

export const OPENED = 0;
export const CHANGED = 1;
export const ENDED = 2;
/** A crowd that connects at once differs in little, so the line of one session costs little. */
export const OPENED_ALIKE = 3;
/** The end of a stream that missed no events. Its line has the form of an alike one. */
export const PLAIN_END = 5;
/** An erased opening whose other members belong to the `OpenedAlikeLine`s after it, too. */
const ERASED_OPENED = 4;

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

/** An opening whose other members are those of the nearest `OpenedLine` before it. */
type OpenedAlikeLine = readonly [
  kind: typeof OPENED_ALIKE,
  session: number,
  user: string | null,
  openedLaterMs: number,
  id: string,
  openedAt: number | null,
];

type PlainEndLine = readonly [
  kind: typeof PLAIN_END,
  session: number,
  user: string | null,
  timeMs: number,
  reason: SessionEnd['reason'],
  position: number,
];

/** Only its shared members, and the time from which those of the others count, have a meaning. */
type ErasedOpenedLine = readonly [kind: typeof ERASED_OPENED, ...unknown[]];

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

/** The full line of an `OpenedAlikeLine` is at most this many lines before it. */
export const FULL_LINE_WITHIN = 512;

/** The line at a place among others. `undefined`: it was erased, or is damaged. */
export function readLine(lines: readonly string[], index: number): ChangeLine | undefined {
  const line = parsedLine(lines[index]);
  return completeLine(line, line?.[0] === OPENED_ALIKE ? parsedLine(lines[fullLineBefore(lines, index)]) : undefined);
}

/** Reads lines one after the other, each once: a start reads all lines of a segment. */
export class LineReader {
  /** The nearest full line. `undefined`: a damaged line may be the one. */
  #full: StoredLine | undefined;

  /** The next line. `undefined`: it was erased, or is damaged. */
  next(text: string): ChangeLine | undefined {
    const line = parsedLine(text);
    if (isFullLine(text)) this.#full = line;
    else if (!NO_FULL_LINE.test(text)) this.#full = undefined;
    return completeLine(line, this.#full);
  }
}

/** @param full the full line that a line alike needs */
function completeLine(line: StoredLine | undefined, full: StoredLine | undefined): ChangeLine | undefined {
  if (line === undefined || line[0] === ERASED_OPENED) return undefined;
  if (line[0] === PLAIN_END) return [ENDED, line[1], line[2], line[3], line[5], line[4], 0, [], []];
  if (line[0] !== OPENED_ALIKE) return line;
  if (full?.[0] !== OPENED && full?.[0] !== ERASED_OPENED) return undefined;
  const [, session, user, laterMs, id, openedAt] = line;
  const [, , , fullMs, , transport, principal, key, client, address, excludesOwn, , channels, types] =
    full as OpenedLine;
  const openedMs = fullMs + laterMs;
  const same = [transport, principal, key, client, address, excludesOwn] as const;
  return [OPENED, session, user, openedMs, id, ...same, openedAt, channels, types, null];
}

/** Whether a line needs the full line before it. */
export function isAlikeLine(line: string): boolean {
  return line.startsWith(`[${OPENED_ALIKE},`);
}

function isFullLine(line: string): boolean {
  return line.startsWith(`[${OPENED},`) || line.startsWith(`[${ERASED_OPENED},`);
}

/** -1: there is none, or a damaged line may be the one. */
function fullLineBefore(lines: readonly string[], index: number): number {
  let at = index - 1;
  while (at >= 0 && NO_FULL_LINE.test(lines[at] ?? '')) at--;
  return at >= 0 && isFullLine(lines[at] ?? '') ? at : -1;
}

/** Another line, or an erased one. */
const NO_FULL_LINE = new RegExp(`^(?:\\[(?:${CHANGED}|${ENDED}|${OPENED_ALIKE}|${PLAIN_END}),| )`);

type StoredLine = ChangeLine | OpenedAlikeLine | PlainEndLine | ErasedOpenedLine;

function parsedLine(text: string | undefined): StoredLine | undefined {
  if (text?.startsWith('[') !== true) return undefined;
  try {
    return JSON.parse(text) as StoredLine;
  } catch {
    return undefined;
  }
}

/**
 * The lines without those that are erased: spaces replace them. Each line has its length as before.
 * Of an opening, the members remain that other sessions share, as long as there are such sessions.
 */
export function withoutLines(lines: readonly string[], erased: ReadonlySet<number>): readonly string[] {
  const remaining = [...lines];
  let isShared = false;
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index] as string;
    if (isFullLine(line)) {
      const isGone = erased.has(index) || line.startsWith(`[${ERASED_OPENED},`);
      if (isGone) remaining[index] = isShared ? sharedMembers(line) : blank(line);
      isShared = false;
    } else if (erased.has(index)) remaining[index] = blank(line);
    else if (isAlikeLine(line)) isShared = true;
  }
  return remaining;
}

function blank({ length }: string): string {
  return ' '.repeat(length);
}

/** An opening as an `ErasedOpenedLine`, in the length of its line. */
function sharedMembers(line: string): string {
  const full = parsedLine(line);
  if (full?.[0] !== OPENED) return line;
  const [, , , openedMs, , transport, principal, key, client, address, excludesOwn, , channels, types] = full;
  const members = [transport, principal, key, client, address, excludesOwn, 0, channels, types, 0];
  return asciiJson([ERASED_OPENED, 0, 0, openedMs, 0, ...members]).padEnd(line.length);
}

/** What a line is found by. */
export function subjectOfLine(line: ChangeLine): LineSubject {
  const user = userOfLine(line);
  const openedMs = line[0] === OPENED ? line[3] : line[0] === CHANGED ? line[6] : null;
  return {
    session: line[1],
    userHash: user === null ? 0 : hashOf(user),
    idHash: line[0] === OPENED ? hashOfId(line[4]) : 0,
    second: openedMs === null ? NOT_OPENED : subjectSecond(openedMs),
  };
}

/** The user that a line names. */
export function userOfLine(line: ChangeLine): string | null {
  return line[0] === CHANGED ? line[5] : line[2];
}

/** When the change of a line happened, as far as the line says it: for an opening, its time. */
export function timeOfLine(line: ChangeLine): number {
  return line[0] === CHANGED ? line[2] : line[3];
}

/**
 * The change that a line of a batch tells of. `undefined`: it was erased.
 * @param run the run that wrote the line
 */
export function changeOfLine(lines: readonly string[], index: number, run: Run): JournalChange | undefined {
  const line = readLine(lines, index);
  if (line === undefined) return undefined;
  if (line[0] === OPENED) return { kind: 'opened', session: openedRecord(line, run, []) };
  if (line[0] === ENDED) {
    const [, session, user, ...end] = line;
    return { kind: 'ended', session, user: user ?? undefined, end: endOf(end) };
  }
  const sinceMs = line[6];
  const change = { kind: 'changed', session: line[1], change: channelChange(line) } as const;
  return sinceMs === null ? change : { ...change, authenticatedSinceMs: sinceMs };
}

function channelChange([, , timeMs, position, channels, user]: ChangedLine): ChannelChange {
  return { timeMs, position, channels, user: user ?? undefined };
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
    if (line[0] === OPENED) {
      const changes: ChannelChange[] = [];
      this.#changes.set(line[1], changes);
      this.#records.set(line[1], openedRecord(line, run, changes));
      return;
    }
    const record = this.#records.get(line[1]);
    if (record === undefined) return;
    if (line[0] === ENDED) {
      const [, number, , ...end] = line;
      this.#records.set(number, { ...record, end: endOf(end) });
      return;
    }
    const change = channelChange(line);
    this.#changes.get(line[1])?.push(change);
    if (change.user !== undefined && record.user === undefined)
      this.#records.set(line[1], { ...record, user: change.user });
  }

  /** The records, in the order of their openings. */
  get records(): IterableIterator<SessionRecord> {
    return this.#records.values();
  }
}

function openedRecord(line: OpenedLine, run: Run | undefined, changes: readonly ChannelChange[]): SessionRecord {
  const [, number, user, openedMs, id, transport, kind, key, client, address, ...rest] = line;
  const [excludesOwn, openedAt, channels, types, end] = rest;
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

/** The end of a session that its hub did not record: the hub was killed, or lost its power. */
function endWithHub(run: Run | undefined, openedMs: number): SessionEnd | undefined {
  if (run?.isOver === false) return undefined;
  const timeMs = Math.max(openedMs, run?.seenMs ?? openedMs);
  return { timeMs, position: undefined, reason: 'hub', polls: 0, skipped: [], gaps: [] };
}
