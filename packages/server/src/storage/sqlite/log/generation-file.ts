import { statSync } from 'node:fs';
import type { Position } from '../../../core/ports.ts';
import { readMark } from '../committed-mark.ts';
import { readFileIfAny, replaceFile } from '../atomic-file.ts';
import type { LogFiles } from './log-files.ts';

/**
 * Detects that a log was restored. A copy of the folder, or of the database alone, must not
 * continue its epoch. Its later positions belonged to other events before (PROTOCOL.md section
 * 2.3).
 *
 * A generation is a number that rises with every opening of the log. The database has its
 * generation and its own inode, which a copy does not have. This small file beside it has the
 * generation as well. An older database that was put back in place, with the same inode, has a
 * lower generation than this file. A third file has the newest committed position, and reveals a
 * database that lost its newest commits. docs/decisions/0005-epochs.md lists the cases that remain
 * undetected.
 *
 * Example: the file has generation 12 and the database 9. The database is `older`, and gets a new
 * epoch.
 */
interface GenerationFile {
  readonly generation: number;
  /**
   * False between the two writes that begin a generation. The database may then have this
   * generation or the one before.
   */
  readonly settled: boolean;
}

export interface DatabaseIdentity {
  readonly generation: number;
  readonly inode: string;
  /** The newest event that the database provably had. */
  readonly newest: Position;
}

/** Why a database is not the one that was last written in this folder. */
export type DatabaseMismatch = 'copied' | 'older' | 'lost_commits';

/** Returns `undefined` for the database that was last written in this folder. */
export function mismatchOf(
  files: LogFiles,
  { generation, inode, newest }: DatabaseIdentity,
): DatabaseMismatch | undefined {
  const file = readGenerationFile(files);
  if (file === undefined || inode !== inodeOf(files)) return 'copied';
  const isCurrent = file.generation === generation || (!file.settled && file.generation === generation + 1);
  if (!isCurrent) return 'older';
  const mark = readMark(files.committedMark);
  return mark?.generation === generation && mark.through > newest ? 'lost_commits' : undefined;
}

/** Runs before the database takes this generation. */
export function announceGeneration(files: LogFiles, generation: number): void {
  writeGenerationFile(files, { generation, settled: false });
}

/** Runs after the database has taken this generation. */
export function settleGeneration(files: LogFiles, generation: number): void {
  writeGenerationFile(files, { generation, settled: true });
}

export function inodeOf({ database }: LogFiles): string {
  return String(statSync(database, { bigint: true }).ino);
}

function readGenerationFile({ generation: path }: LogFiles): GenerationFile | undefined {
  const match = /^\{"generation":(\d+),"settled":(true|false)\}\n$/.exec(readFileIfAny(path) ?? '');
  return match === null ? undefined : { generation: Number(match[1]), settled: match[2] === 'true' };
}

function writeGenerationFile({ generation: path }: LogFiles, value: GenerationFile): void {
  replaceFile(path, JSON.stringify(value) + '\n');
}
