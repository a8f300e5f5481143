import type { BlockAddress } from '../../view/block.ts';

/**
 * A snapshot is a copy of a view, for a hub that does not have the blocks before it. Example: the
 * journal has blocks 900 to 1000, and the snapshot has what blocks 1 to 950 did. A hub with an
 * empty folder starts from the snapshot and applies 951 to 1000.
 */
export interface Snapshot extends SnapshotAddress {
  readonly name: string;
  readonly bytes: number;
  /** The time when it was stored, RFC 3339, where the store knows it. */
  readonly stored?: string;
}

/** The newest block of a view, and the epoch of the view. */
export interface SnapshotAddress extends BlockAddress {
  readonly epoch: string;
}

/** The store of the snapshots, which all hubs of a cluster share. */
export interface SnapshotStore {
  /** The complete snapshots, the newest first. */
  list(): Promise<readonly Snapshot[]>;
  /**
   * Stores a file as a snapshot. It is listed when all of it is stored. A write that ends before
   * leaves nothing that is listed.
   */
  write(at: SnapshotAddress, file: string): Promise<Snapshot>;
  /** Writes a snapshot into a file. Rejects when it is incomplete or damaged. */
  read(snapshot: Snapshot, file: string, onProgress: (bytes: number) => void): Promise<void>;
  remove(snapshot: Snapshot): Promise<void>;
  /** Removes what writes have left that never completed. */
  removeLeftovers(): Promise<void>;
}

/** The sequence first, so names sort by it. */
export function snapshotName({ sequence, id }: BlockAddress): string {
  return `${String(sequence).padStart(16, '0')}-${id}`;
}
