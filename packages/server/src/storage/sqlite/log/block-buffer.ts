import type { Block } from '../../view/block.ts';

const BYTES_MIN = 64 * 1024;
/** A larger buffer is kept only while commits need a good part of it: while a view catches up. */
const KEPT_BYTES_MAX = 1024 * 1024;
const USED_PART_MIN = 1 / 8;
/** The numbers of a batch of events are aligned. */
const ALIGNMENT = 8;

/** A block as it goes to the writer's thread: its data is a part of a buffer. */
export type PackedBlock = Omit<Block, 'data'> & { readonly bytes: number };

/** Blocks for the writer's thread, with the data of all of them. */
export interface PackedBlocks {
  readonly blocks: readonly PackedBlock[];
  readonly buffer: ArrayBuffer;
}

/**
 * The memory in which blocks go to the writer's thread, and which comes back with its answer.
 * Otherwise each commit would take new pages from the system, and return them. Example: eight
 * blocks of 9 kB go in a buffer of 128 kB, and those of the next commit in the same one.
 */
export class BlockBuffer {
  #spare: ArrayBuffer | undefined;

  /** The blocks keep their data. The buffer may go to another thread. */
  pack(blocks: readonly Block[]): PackedBlocks {
    const bytes = blocks.reduce((sum, { data }) => sum + aligned(data.byteLength), 0);
    const buffer = this.#takeSpare(bytes) ?? new ArrayBuffer(sizeFor(bytes));
    const all = new Uint8Array(buffer);
    let offset = 0;
    const packed = blocks.map(({ sequence, id, kind, data }) => {
      all.set(data, offset);
      offset += aligned(data.byteLength);
      return { sequence, id, kind, bytes: data.byteLength };
    });
    return { blocks: packed, buffer };
  }

  /** The buffer has come back. */
  keep(buffer: ArrayBuffer): void {
    this.#spare = buffer;
  }

  #takeSpare(bytes: number): ArrayBuffer | undefined {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare === undefined || spare.byteLength < bytes) return undefined;
    return spare.byteLength <= KEPT_BYTES_MAX || bytes >= spare.byteLength * USED_PART_MIN ? spare : undefined;
  }
}

/** The blocks in a buffer. Their data are views of it. */
export function unpackBlocks({ blocks, buffer }: PackedBlocks): readonly Block[] {
  let offset = 0;
  return blocks.map(({ sequence, id, kind, bytes }) => {
    const data = new Uint8Array(buffer, offset, bytes);
    offset += aligned(bytes);
    return { sequence, id, kind, data };
  });
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** A power of two, so that commits of similar sizes use the same buffer. */
function sizeFor(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(bytes, BYTES_MIN)));
}
