import { readFile, writeFile } from 'node:fs/promises';
import { snapshotName, type Snapshot, type SnapshotAddress, type SnapshotStore } from './snapshot-store.ts';

/** Snapshots in the memory of one process: for tests with several hubs in it. */
export class MemorySnapshotStore implements SnapshotStore {
  readonly #stored = new Map<string, { readonly snapshot: Snapshot; data: Uint8Array }>();
  /** The next write fails when it has read its file. */
  failNextWrite = false;

  async list(): Promise<readonly Snapshot[]> {
    return [...this.#stored.values()]
      .map(({ snapshot }) => snapshot)
      .toSorted((one, other) => other.sequence - one.sequence);
  }

  async write({ sequence, id, epoch }: SnapshotAddress, file: string): Promise<Snapshot> {
    const data = new Uint8Array(await readFile(file));
    if (this.failNextWrite) {
      this.failNextWrite = false;
      throw new Error('the write of the snapshot failed');
    }
    const snapshot = { name: snapshotName({ sequence, id }), sequence, id, epoch, bytes: data.byteLength };
    this.#stored.set(snapshot.name, { snapshot, data });
    return snapshot;
  }

  async read({ name, bytes }: Snapshot, file: string, onProgress: (bytes: number) => void): Promise<void> {
    const stored = this.#stored.get(name);
    if (stored?.data.byteLength !== bytes) throw new Error(`the snapshot ${name} is not complete`);
    await writeFile(file, stored.data);
    onProgress(bytes);
  }

  async remove({ name }: Snapshot): Promise<void> {
    this.#stored.delete(name);
  }

  async removeLeftovers(): Promise<void> {
    // A write in memory leaves none.
  }

  /** Removes the end of a snapshot, as lost messages do. */
  damage({ name }: Snapshot): void {
    const stored = this.#stored.get(name);
    if (stored !== undefined) stored.data = stored.data.subarray(0, stored.data.byteLength / 2);
  }
}
