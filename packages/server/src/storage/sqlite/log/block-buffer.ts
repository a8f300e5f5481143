import type { Block } from '../../view/block.ts';

/** A larger buffer is not kept. A commit of blocks rarely needs one. */
const KEPT_BYTES_MAX = 1024 * 1024;
const BYTES_MIN = 64 * 1024;
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
    const spare = this.#spare;
    const buffer = spare !== undefined && spare.byteLength >= bytes ? spare : new ArrayBuffer(sizeFor(bytes));
    this.#spare = undefined;
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
    if (buffer.byteLength <= KEPT_BYTES_MAX) this.#spare = buffer;
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
