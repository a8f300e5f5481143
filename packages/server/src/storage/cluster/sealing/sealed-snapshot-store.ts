import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { snapshotName, type Snapshot, type SnapshotAddress, type SnapshotStore } from '../snapshots/snapshot-store.ts';
import { finishOpen, HEADER_BYTES, isSealed, SealError, TAG_BYTES, type Sealer } from './sealer.ts';

/**
 * Snapshots that are sealed, if there is a key: the brokers cannot read them.
 * Unsealed ones open, too.
 */
export class SealedSnapshotStore implements SnapshotStore {
  readonly #store: SnapshotStore;
  readonly #sealer: Sealer;

  constructor(store: SnapshotStore, sealer: Sealer) {
    this.#store = store;
    this.#sealer = sealer;
  }

  list(): Promise<readonly Snapshot[]> {
    return this.#store.list();
  }

  async write(at: SnapshotAddress, file: string): Promise<Snapshot> {
    if (!this.#sealer.canSeal) return this.#store.write(at, file);
    const sealed = sealedName(file);
    try {
      const { header, cipher } = this.#sealer.startSeal(snapshotName(at));
      const output = createWriteStream(sealed, { mode: 0o600 });
      output.write(header);
      await pipeline(
        createReadStream(file),
        cipher,
        withEnd(() => cipher.getAuthTag()),
        output,
      );
      return await this.#store.write(at, sealed);
    } finally {
      await rm(sealed, { force: true });
    }
  }

  async read(snapshot: Snapshot, file: string, onProgress: (bytes: number) => void): Promise<void> {
    const sealed = sealedName(file);
    try {
      await this.#store.read(snapshot, sealed, onProgress);
      await this.#open(sealed, snapshotName(snapshot), file);
    } finally {
      await rm(sealed, { force: true });
    }
  }

  remove(snapshot: Snapshot): Promise<void> {
    return this.#store.remove(snapshot);
  }

  removeLeftovers(): Promise<void> {
    return this.#store.removeLeftovers();
  }

  async #open(sealed: string, place: string, file: string): Promise<void> {
    const { header, tag, size } = await endsOf(sealed);
    if (!isSealed(header)) return rename(sealed, file);
    if (size < HEADER_BYTES + TAG_BYTES) throw new SealError('the sealed snapshot is too short');
    const decipher = this.#sealer.startOpen(header, place);
    decipher.setAuthTag(tag);
    const opening = new Transform({
      transform: (bytes: Buffer, _encoding, done) => done(null, decipher.update(bytes)),
      flush: (done) => {
        try {
          finishOpen(decipher);
          done();
        } catch (error) {
          done(error as Error);
        }
      },
    });
    const range = { start: HEADER_BYTES, end: size - TAG_BYTES - 1 };
    const input = size === HEADER_BYTES + TAG_BYTES ? [] : createReadStream(sealed, range);
    await pipeline(input, opening, createWriteStream(file, { mode: 0o600 }));
  }
}

function sealedName(file: string): string {
  return `${file}.sealed`;
}

/** Passes all bytes, and then those that only the end knows. */
function withEnd(end: () => Buffer): Transform {
  return new Transform({
    transform: (bytes: Buffer, _encoding, done) => done(null, bytes),
    flush(done) {
      done(null, end());
    },
  });
}

/** The bytes at both ends of a file that may be sealed. */
async function endsOf(
  file: string,
): Promise<{ readonly header: Uint8Array; readonly tag: Uint8Array; readonly size: number }> {
  const { size } = await stat(file);
  const handle = await open(file);
  try {
    const header = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    const tag = await handle.read(Buffer.alloc(TAG_BYTES), 0, TAG_BYTES, Math.max(0, size - TAG_BYTES));
    return { header: header.buffer, tag: tag.buffer, size };
  } finally {
    await handle.close();
  }
}
