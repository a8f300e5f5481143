/**
 * What a line of the journal is found by. Example: the line in which Ann's session 7 opens is found
 * by 7, and by two hashes: of her name, and of the session's id.
 *
 * Different texts may have the same hash, so a reader compares the line itself.
 */
export interface LineSubject {
  /** 0: the line was erased. */
  readonly session: number;
  /** 0: the line has no user. */
  readonly userHash: number;
  /** 0: the line does not open its session. */
  readonly idHash: number;
  /** When the session opened, in a line that opens or authenticates it. Otherwise `NOT_OPENED`. */
  readonly second: number;
}

export const NOT_OPENED = 0xffffffff;

export const ERASED_SUBJECT: LineSubject = { session: 0, userHash: 0, idHash: 0, second: NOT_OPENED };

/** 32 bits of a text (FNV-1a), and never 0. */
export function hashOf(text: string): number {
  return hashFrom(text, 0);
}

/** The hash of a session's id. Ids are random, so the last characters are enough. */
export function hashOfId(id: string): number {
  return hashFrom(id, Math.max(0, id.length - HASHED_OF_ID));
}

const HASHED_OF_ID = 8;

function hashFrom(text: string, start: number): number {
  let hash = 0x811c9dc5;
  for (let index = start; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0 || 1;
}

/** The second of a time in milliseconds since 1970, as a subject has it. */
export function subjectSecond(timeMs: number): number {
  return Math.min(Math.floor(timeMs / 1000), NOT_OPENED - 1);
}

/**
 * The subjects of many lines, in columns: a search for a hash reads nothing but hashes. The numbers
 * of line 7 are at index 7 of each column.
 */
export class LineSubjects {
  readonly sessions: Float64Array<ArrayBuffer>;
  readonly userHashes: Uint32Array<ArrayBuffer>;
  readonly idHashes: Uint32Array<ArrayBuffer>;
  readonly seconds: Uint32Array<ArrayBuffer>;
  /** Where each line ends, with its line break. */
  readonly ends: Uint32Array<ArrayBuffer>;

  constructor(linesMax: number) {
    this.sessions = new Float64Array(linesMax);
    this.userHashes = new Uint32Array(linesMax);
    this.idHashes = new Uint32Array(linesMax);
    this.seconds = new Uint32Array(linesMax);
    this.ends = new Uint32Array(linesMax);
  }

  /** The subject of a line. */
  at(index: number): LineSubject {
    return {
      session: this.sessions[index] as number,
      userHash: this.userHashes[index] as number,
      idHash: this.idHashes[index] as number,
      second: this.seconds[index] as number,
    };
  }

  /**
   * Copies the first subjects of other lines to an index.
   * @param offset of the other lines' bytes among these
   */
  copy(from: LineSubjects, count: number, index: number, offset: number): void {
    for (let line = 0; line < count; line++) {
      this.sessions[index + line] = from.sessions[line] as number;
      this.userHashes[index + line] = from.userHashes[line] as number;
      this.idHashes[index + line] = from.idHashes[line] as number;
      this.seconds[index + line] = from.seconds[line] as number;
      this.ends[index + line] = offset + (from.ends[line] as number);
    }
  }

  set(index: number, { session, userHash, idHash, second }: LineSubject): void {
    this.sessions[index] = session;
    this.userHashes[index] = userHash;
    this.idHashes[index] = idHash;
    this.seconds[index] = second;
  }
}
