import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A life is a short program with one of a hub's stores, and a check of the files that it leaves. It
 * may end at any point.
 */
export interface Life {
  readonly name: string;
  /** Opens the store, writes, and acknowledges durable changes, line by line. */
  live(folder: string, acknowledge: (line: string) => void): Promise<void>;
  /**
   * Checks the files against the acknowledged lines. Returns the error as a sentence, or nothing.
   */
  wrongWith(folder: string, lines: readonly string[]): Promise<string | undefined>;
}

/** In the folder of the store, so that its writes are ordered with those of the store. */
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
