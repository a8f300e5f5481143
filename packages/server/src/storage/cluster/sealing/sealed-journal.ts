import type { Block, BlockAddress, BlockKind, NewBlock } from '../../view/block.ts';
import type { Journal, JournalExtent, JournalFollower } from '../journal.ts';
import { HEADER_BYTES, SealError, TAG_BYTES, type Sealer } from './sealer.ts';

/** Kinds of blocks with secrets: hashes of keys, and the secrets of webhooks. */
const SECRET_KINDS: ReadonlySet<string> = new Set<BlockKind>(['genesis', 'identity', 'subscriptions']);
/**
 * The kind of a sealed block. A hub without the key stops at it, as at a kind of a later version.
 */
const SEALED = 'sealed';
/** The block's own kind precedes its data, as one line. */
const KIND_BYTES_MAX = 32;

/**
 * A journal whose blocks with secrets are sealed, if there is a key: the brokers cannot read them.
 */
export class SealedJournal implements Journal {
  readonly #journal: Journal;
  readonly #sealer: Sealer;

  constructor(journal: Journal, sealer: Sealer) {
    this.#journal = journal;
    this.#sealer = sealer;
  }

  get blockBytesMax(): number {
    return this.#journal.blockBytesMax - HEADER_BYTES - TAG_BYTES - KIND_BYTES_MAX;
  }

  append(block: NewBlock, expectedLast?: number): Promise<number> {
    const isSecret = this.#sealer.canSeal && SECRET_KINDS.has(block.kind);
    return this.#journal.append(isSecret ? this.#seal(block) : block, expectedLast);
  }

  last(): Promise<number> {
    return this.#journal.last();
  }

  extent(): Promise<JournalExtent> {
    return this.#journal.extent();
  }

  trim(before: number): Promise<void> {
    return this.#journal.trim(before);
  }

  get newest(): number {
    return this.#journal.newest;
  }

  idAt(sequence: number): Promise<string | undefined> {
    return this.#journal.idAt(sequence);
  }

  follow(from: BlockAddress, follower: JournalFollower): void {
    this.#journal.follow(from, {
      onBlock: (block) => follower.onBlock(block.kind === SEALED ? this.#open(block) : block),
      appendMark: () => follower.appendMark(),
      get whenReady() {
        return follower.whenReady;
      },
      get mayWait() {
        return follower.mayWait;
      },
      onRolledBack: () => follower.onRolledBack(),
      onTrimmedBeyond: () => follower.onTrimmedBeyond(),
    });
  }

  deliverNow(sequence: number): void {
    this.#journal.deliverNow(sequence);
  }

  get silentMs(): number {
    return this.#journal.silentMs;
  }

  get unsafeReason(): string | undefined {
    return this.#journal.unsafeReason;
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  #seal({ id, kind, data }: NewBlock): NewBlock {
    const text = Buffer.concat([Buffer.from(`${kind}\n`), data]);
    return { id, kind: SEALED, data: this.#sealer.seal(text, id) };
  }

  /** A block that does not open stays as it is: the hub stops there. */
  #open(block: Block): Block {
    try {
      const opened = this.#sealer.open(block.data, block.id);
      const end = opened.indexOf('\n'.charCodeAt(0));
      const kind = Buffer.from(opened.subarray(0, end)).toString();
      return { ...block, kind, data: opened.slice(end + 1) };
    } catch (error) {
      if (error instanceof SealError) return block;
      throw error;
    }
  }
}
