import { statSync } from 'node:fs';
import { createEpoch } from '@polycast/protocol';
import type { Position } from '../../../core/ports.ts';
import { readMark } from '../committed-mark.ts';
import type { DataFolderFiles } from './data-folder.ts';
import { readFileIfAny, replaceFile } from './data-folder.ts';

/**
 * How a log knows that it was restored: a copy of the folder, or of the database alone, must not go on under an epoch
 * whose later positions were given to other events before (PROTOCOL.md section 2.3).
 *
 * The database holds its own inode, which a copy does not have, and a generation that rises with every opening. A
 * small file beside it holds the generation as well, so a database that was put back in place, inode and all, is
 * behind its witness. A third file says how far it was committed, so a database that lost its newest commits is noticed
 * too. docs/decisions/0005-epochs.md says what this cannot see.
 */
interface GenerationFile {
  readonly generation: number;
  /** False between the two writes that begin a generation: then the database may stand at it or one before. */
  readonly settled: boolean;
}

export interface DatabaseIdentity {
  readonly generation: number;
  readonly inode: string;
  /** The newest event that it can be shown to have had. */
  readonly newest: Position;
}

/** Why a database is not the very one that was last written to in this folder. */
export type DatabaseMismatch = 'copied' | 'older' | 'lost_commits';

/** `undefined` for the very database that was last written to in this folder. */
export function mismatchOf(
  files: DataFolderFiles,
  { generation, inode, newest }: DatabaseIdentity,
): DatabaseMismatch | undefined {
  const file = readGenerationFile(files);
  if (file === undefined || inode !== inodeOf(files)) return 'copied';
  const isCurrent = file.generation === generation || (!file.settled && file.generation === generation + 1);
  if (!isCurrent) return 'older';
  const mark = readMark(files.committedMark);
  return mark?.generation === generation && mark.through > newest ? 'lost_commits' : undefined;
}

/** Before the database takes this generation… */
export function announceGeneration(files: DataFolderFiles, generation: number): void {
  writeGenerationFile(files, { generation, settled: false });
}

/** …and after it has. */
export function settleGeneration(files: DataFolderFiles, generation: number): void {
  writeGenerationFile(files, { generation, settled: true });
}

export function inodeOf({ database }: DataFolderFiles): string {
  return String(statSync(database, { bigint: true }).ino);
}

/** A new epoch that sorts after the old one, though the clock may have gone back. */
export function epochAfter(old: string, nowMs: number, chance: number): string {
  let epoch = createEpoch(nowMs, chance);
  for (let aheadMs = 1000; epoch <= old; aheadMs *= 2) epoch = createEpoch(nowMs + aheadMs, chance);
  return epoch;
}

function readGenerationFile({ generation: path }: DataFolderFiles): GenerationFile | undefined {
  const match = /^\{"generation":(\d+),"settled":(true|false)\}\n$/.exec(readFileIfAny(path) ?? '');
  return match === null ? undefined : { generation: Number(match[1]), settled: match[2] === 'true' };
}

function writeGenerationFile({ generation: path }: DataFolderFiles, value: GenerationFile): void {
  replaceFile(path, JSON.stringify(value) + '\n');
}
