import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Seeded } from '../../kit/seeded.ts';

/** One operation on a file, in the order in which they happened: see `disk-shim.c`. */
interface Operation {
  readonly kind: 'W' | 'T' | 'S' | 'C' | 'U' | 'R';
  readonly name: string;
  readonly other: string;
  readonly offset: number;
  readonly data: Buffer;
}

export function parseJournal(bytes: Buffer): readonly Operation[] {
  const operations: Operation[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    const [kind, name, other, offset, size] = bytes.toString('latin1', at, end).split(' ') as [string, ...string[]];
    const data = bytes.subarray(end + 1, end + 1 + Number(size));
    at = end + 1 + Number(size);
    operations.push({ kind, name, other, offset: Number(offset), data } as Operation);
  }
  return operations;
}

/**
 * What happens to unsynced writes when the power fails. All are lost, or all survive, or some
 * survive in any order. The last ones may be torn at a sector, or their blocks exist and contain
 * zeros.
 */
export const CRASH_OUTCOMES = ['lost', 'kept', 'reordered', 'torn', 'zeroed'] as const;
export type CrashOutcome = (typeof CRASH_OUTCOMES)[number];

const SECTOR_BYTES = 512;

/** A file: its durable content, and the writes since. */
class FileState {
  durable: Buffer = Buffer.alloc(0);
  pending: (Operation & { readonly kind: 'W' | 'T' })[] = [];

  sync(): void {
    for (const operation of this.pending) this.durable = applied(this.durable, operation);
    this.pending = [];
  }

  after(outcome: CrashOutcome, random: Seeded): Buffer {
    let content: Buffer = Buffer.from(this.durable);
    const last = this.pending.length - 1;
    for (const [index, operation] of this.pending.entries()) {
      if (outcome === 'lost' || (outcome === 'reordered' && random.fraction() < 0.5)) continue;
      if (outcome === 'torn' && index === last && operation.kind === 'W') {
        const sectors = random.below(Math.ceil(operation.data.length / SECTOR_BYTES) + 1);
        content = applied(content, { ...operation, data: operation.data.subarray(0, sectors * SECTOR_BYTES) });
      } else if (outcome === 'zeroed' && operation.kind === 'W' && random.fraction() < 0.5)
        content = applied(content, { ...operation, data: Buffer.alloc(operation.data.length) });
      else content = applied(content, operation);
    }
    return content;
  }
}

/** The possible states of the files after a power cut behind a number of operations. */
export function filesAfter(
  operations: readonly Operation[],
  count: number,
  outcome: CrashOutcome,
  random: Seeded,
): ReadonlyMap<string, Buffer> {
  const files = new Map<string, FileState>();
  const fileOf = (name: string): FileState => {
    const known = files.get(name) ?? new FileState();
    files.set(name, known);
    return known;
  };
  for (const operation of operations.slice(0, count)) {
    const { kind, name, other } = operation;
    if (kind === 'W' || kind === 'T') fileOf(name).pending.push(operation as Operation & { kind: 'W' | 'T' });
    else if (kind === 'C') fileOf(name);
    else if (kind === 'S' && name !== '.') fileOf(name).sync();
    else if (kind === 'U') files.delete(name);
    else if (kind === 'R') {
      files.set(other, fileOf(name));
      files.delete(name);
    }
  }
  return new Map([...files].map(([name, file]) => [name, file.after(outcome, random)]));
}

/** The acknowledgements until then. Of this file all writes count as durable. */
export function acksAfter(operations: readonly Operation[], count: number, file: string): string {
  const written = operations.slice(0, count).filter(({ kind, name }) => kind === 'W' && name === file);
  return written.map(({ data }) => data.toString()).join('');
}

export function writeFiles(folder: string, files: ReadonlyMap<string, Buffer>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
}

function applied(content: Buffer, { kind, offset, data }: Operation): Buffer {
  if (kind === 'T') return resized(content, offset);
  const out = resized(content, Math.max(content.length, offset + data.length));
  data.copy(out, offset);
  return out;
}

function resized(content: Buffer, size: number): Buffer {
  const out = Buffer.alloc(size);
  content.copy(out, 0, 0, size);
  return out;
}
