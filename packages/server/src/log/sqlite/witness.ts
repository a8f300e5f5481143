import { statSync } from 'node:fs';
import { createEpoch } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';
import { readMark } from '../../sqlite/committed-mark.ts';
import type { FolderFiles } from './folder.ts';
import { readFileIfAny, replaceFile } from './folder.ts';

/**
 * How a log knows that it was restored: a copy of the folder, or of the database alone, must not go on under an epoch
 * whose later positions were given to other events before (PROTOCOL.md section 2.3).
 *
 * The database holds its own inode, which a copy does not have, and a generation that rises with every opening. A
 * small file beside it holds the generation as well, so a database that was put back in place, inode and all, is
 * behind its witness. A third file says how far it was committed, so a database that lost its newest commits is noticed
 * too. docs/decisions/0005-epochs.md says what this cannot see.
 */
interface Witness {
  readonly generation: number;
  /** False between the two writes that begin a generation: then the database may stand at it or one before. */
  readonly settled: boolean;
}

export interface Identity {
  readonly generation: number;
  readonly inode: string;
  /** The newest event that it can be shown to have had. */
  readonly newest: Position;
}

/** Why a database is not the very one that was last written to in this folder. */
export type Difference = 'copied' | 'older' | 'lost_commits';

/** `undefined` for the very database that was last written to in this folder. */
export function differenceOf(files: FolderFiles, { generation, inode, newest }: Identity): Difference | undefined {
  const witness = readWitness(files);
  if (witness === undefined || inode !== inodeOf(files)) return 'copied';
  const isCurrent = witness.generation === generation || (!witness.settled && witness.generation === generation + 1);
  if (!isCurrent) return 'older';
  const mark = readMark(files.mark);
  return mark?.generation === generation && mark.through > newest ? 'lost_commits' : undefined;
}

/** Before the database takes this generation… */
export function announceGeneration(files: FolderFiles, generation: number): void {
  writeWitness(files, { generation, settled: false });
}

/** …and after it has. */
export function settleGeneration(files: FolderFiles, generation: number): void {
  writeWitness(files, { generation, settled: true });
}

export function inodeOf({ database }: FolderFiles): string {
  return String(statSync(database, { bigint: true }).ino);
}

/** A new epoch that sorts after the old one, though the clock may have gone back. */
export function epochAfter(old: string, nowMs: number, chance: number): string {
  let epoch = createEpoch(nowMs, chance);
  for (let aheadMs = 1000; epoch <= old; aheadMs *= 2) epoch = createEpoch(nowMs + aheadMs, chance);
  return epoch;
}

function readWitness({ witness }: FolderFiles): Witness | undefined {
  const found = /^\{"generation":(\d+),"settled":(true|false)\}\n$/.exec(readFileIfAny(witness) ?? '');
  return found === null ? undefined : { generation: Number(found[1]), settled: found[2] === 'true' };
}

function writeWitness({ witness }: FolderFiles, value: Witness): void {
  replaceFile(witness, JSON.stringify(value) + '\n');
}
