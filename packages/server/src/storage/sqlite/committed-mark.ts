import { closeSync, fdatasync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { makePrivateFile } from './private-files.ts';

/**
 * A commit mark has the newest durable commit of a database, and is stored outside it:
 * `{"generation":12,"through":345,"crc32":1234}`. After each commit the file is overwritten in
 * place, without a sync of its own. So it survives every end of the process. A sync follows within
 * a second. A database that is behind its mark has lost acknowledged commits, for example with a
 * write-ahead log that was deleted after a crash.
 */
export interface CommitMark {
  readonly generation: number;
  /**
   * A number that rises with commits: the newest stored position, or the number of transactions.
   */
  readonly through: number;
}

/**
 * The length of the file. It is constant, so that a later mark overwrites all of an earlier one.
 */
const BYTES = 96;
/**
 * Milliseconds that a mark may wait for its sync. If a power cut and a lost write-ahead log
 * coincide, lost commits of that time are not detected.
 */
const SYNC_DELAY_MS = 1_000;

/** The mark in a file. Undefined when there is none, or only a part of one. */
export function readMark(file: string): CommitMark | undefined {
  const found = /^\{"generation":(\d+),"through":(\d+),"crc32":(\d+)\} *\n$/.exec(textOf(file));
  if (found === null) return undefined;
  const value = { generation: Number(found[1]), through: Number(found[2]) };
  return checksumOf(value.generation, value.through) === Number(found[3]) ? value : undefined;
}

/**
 * Writes the mark into its file. Errors of the disk are ignored: an older mark claims less, never
 * too much.
 */
export class CommittedMark {
  readonly #file: string;
  #descriptor: number | undefined;
  readonly #bytes: Buffer = Buffer.alloc(BYTES, '\n');
  #generation = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  begin(commitMark: CommitMark): void {
    this.#generation = commitMark.generation;
    this.#bytes.fill(' ', 0, BYTES - 1);
    try {
      makePrivateFile(this.#file);
      this.#descriptor ??= openSync(this.#file, 'r+');
    } catch {
      // Without a mark the database is as safe as its disk. The next opening tries again.
    }
    this.update(commitMark.through);
  }

  /** Everything up to `through` is durable. */
  update(through: number): void {
    if (this.#descriptor === undefined) return;
    try {
      // The digits of the checksum are always ten, and the other numbers never fall. So a text is
      // never shorter than the one that it overwrites.
      const crc = String(checksumOf(this.#generation, through)).padStart(10, '0');
      this.#bytes.write(`{"generation":${this.#generation},"through":${through},"crc32":${crc}}`, 'latin1');
      writeSync(this.#descriptor, this.#bytes, 0, BYTES, 0);
      this.#timer ??= setTimeout(() => this.#sync(), SYNC_DELAY_MS).unref();
    } catch {
      // The next commit tries again.
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    if (this.#descriptor === undefined) return;
    try {
      fdatasyncSync(this.#descriptor);
    } catch {
      // The database is complete without its mark.
    }
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #sync(): void {
    this.#timer = undefined;
    if (this.#descriptor !== undefined) fdatasync(this.#descriptor, () => undefined);
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

function checksumOf(generation: number, through: number): number {
  return crc32(`${generation} ${through}`);
}
