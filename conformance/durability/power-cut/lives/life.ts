import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A small life of one of a hub's stores, and what has to be true of the files that it leaves,
 * whenever it ends.
 */
export interface Life {
  readonly name: string;
  /** Opens, writes, and acknowledges what is durable, line by line; to its end. */
  live(folder: string, acknowledge: (line: string) => void): Promise<void>;
  /** What is wrong with files of which these lines were acknowledged: nothing, or a sentence. */
  wrongWith(folder: string, lines: readonly string[]): Promise<string | undefined>;
}

/** In the folder of the store, so that it stands in the same order as the store's own writes. */
export const ACKS_FILE = 'acks';

export function acknowledgeIn(folder: string): (line: string) => void {
  return (line) => appendFileSync(join(folder, ACKS_FILE), `${line}\n`);
}

export function acksIn(folder: string): string {
  const file = join(folder, ACKS_FILE);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** The last line may be cut short. */
export function linesOf(acks: string): readonly string[] {
  return acks.split('\n').slice(0, -1);
}
