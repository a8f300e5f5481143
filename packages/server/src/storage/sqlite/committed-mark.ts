import { closeSync, fdatasync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { makePrivateFile } from './private-files.ts';

/**
 * How far a database was committed, kept outside it: `{"generation":12,"through":345,"crc32":1234}`. After each commit the file
 * is overwritten in place, without a sync of its own, so it survives every end of the process; a sync follows within a second. A
 * database that is behind it has lost acknowledged commits, say with a write-ahead log that was deleted after a crash.
 */
export interface CommitMark {
  readonly generation: number;
  /** The newest of what was stored, by a number that rises. */
  readonly through: number;
}

/** Always the same length, so that a later mark leaves nothing of an earlier one. */
const BYTES = 96;
/** How long a mark may wait for its sync: commits of that time are not noticed when a power cut and a lost write-ahead log meet. */
const SYNC_DELAY_MS = 1_000;

/** The mark in a file; undefined when there is none, or one that was written by half. */
export function readMark(file: string): CommitMark | undefined {
  const found = /^\{"generation":(\d+),"through":(\d+),"crc32":(\d+)\} *\n$/.exec(textOf(file));
  if (found === null) return undefined;
  const value = { generation: Number(found[1]), through: Number(found[2]) };
  return checksumOf(value) === Number(found[3]) ? value : undefined;
}

/** The writer's hand on the file. What the disk does not take is let go of: an older mark claims less, never too much. */
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
    try {
      makePrivateFile(this.#file);
      this.#descriptor ??= openSync(this.#file, 'r+');
    } catch {
      // Without a mark the database is as safe as its disk; the next opening tries again.
    }
    this.update(commitMark.through);
  }

  /** All up to this one is durable. */
  update(through: number): void {
    if (this.#descriptor === undefined) return;
    try {
      const crc = checksumOf({ generation: this.#generation, through });
      // By hand, since it is done with each commit.
      const text = `{"generation":${this.#generation},"through":${through},"crc32":${crc}}`;
      this.#bytes.write(text.padEnd(BYTES - 1), 'latin1');
      writeSync(this.#descriptor, this.#bytes, 0, BYTES, 0);
      this.#timer ??= setTimeout(() => this.#sync(), SYNC_DELAY_MS).unref();
    } catch {
      // Tried again with the next commit.
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    if (this.#descriptor === undefined) return;
    try {
      fdatasyncSync(this.#descriptor);
    } catch {
      // The database is whole without it.
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

function checksumOf({ generation, through }: CommitMark): number {
  return crc32(`${generation} ${through}`);
}
