/**
 * What a block does. A block is one entry of a journal (`cluster/journal.ts`): a command that every
 * hub of a cluster applies to its view, in the same order. Example: block 7 appends the 40 events
 * that hub A collected in one turn. Hubs of a later version may add kinds.
 */
export type BlockKind = 'genesis' | 'events' | 'trim' | 'erase' | 'epoch' | 'identity' | 'subscriptions';

export interface NewBlock {
  /**
   * `INCARNATION-NUMBER`: the hub process that made it, and a number that rises with its blocks.
   */
  readonly id: string;
  /** `sealed`: only hubs with the key of `cluster/sealing` read its kind and its data. */
  readonly kind: BlockKind | 'sealed';
  readonly data: Uint8Array;
}

/** The place of a block, and the block that is there. */
export interface BlockAddress {
  /** 1 for the first block. 0: before it. */
  readonly sequence: number;
  /** Empty at the sequence 0. */
  readonly id: string;
}

export interface Block extends BlockAddress {
  /** One of `BlockKind`, or a kind of a later version. */
  readonly kind: string;
  /** In a buffer of its own. A view frees it if nobody reads the block's events. */
  readonly data: Uint8Array<ArrayBuffer>;
}
