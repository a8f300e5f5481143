import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { jetstream, jetstreamManager, StorageType, type JetStreamManager } from '@nats-io/jetstream';
import { Objm, type ObjectInfo, type ObjectStore } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/transport-node';
import { snapshotName, type Snapshot, type SnapshotAddress, type SnapshotStore } from '../snapshots/snapshot-store.ts';
import { answer, REQUEST_TIMEOUT_MS } from './jetstream-journal.ts';

/** A change is not asked for again. So it waits for an election, which takes up to 10 s. */
const PART_TIMEOUT_MS = 10_000;

/**
 * The snapshots in an object store of JetStream. The client writes it. It would read an object into
 * memory as fast as the brokers send it, so the parts are read here one by one.
 */
export class NatsSnapshotStore implements SnapshotStore {
  readonly #bucket: string;
  /** For changes. */
  readonly #objects: ObjectStore;
  /** The same store for questions: an attempt is short, and `answer` repeats it. */
  readonly #listed: ObjectStore;
  readonly #manager: JetStreamManager;

  private constructor(bucket: string, objects: ObjectStore, listed: ObjectStore, manager: JetStreamManager) {
    this.#bucket = bucket;
    this.#objects = objects;
    this.#listed = listed;
    this.#manager = manager;
  }

  /** Opens the object store `PC_NAME_snapshots` of a cluster, and creates it if needed. */
  static async open(connection: NatsConnection, name: string, replicas: number): Promise<NatsSnapshotStore> {
    const bucket = `PC_${name}_snapshots`;
    const manager = await jetstreamManager(connection, { timeout: PART_TIMEOUT_MS, checkAPI: false });
    // With its check the client would ask once more, and not again if the brokers refuse.
    const stores = (timeout: number): Objm => new Objm(jetstream(connection, { timeout, checkAPI: false }));
    // While the brokers elect a leader, they refuse what they would answer a moment later.
    const listed = await answer(() =>
      stores(REQUEST_TIMEOUT_MS).create(bucket, { storage: StorageType.File, replicas }),
    );
    return new NatsSnapshotStore(bucket, await stores(PART_TIMEOUT_MS).open(bucket, false), listed, manager);
  }

  async list(): Promise<readonly Snapshot[]> {
    return (await this.#objectInfos()).map(snapshotOf).toSorted((one, other) => other.sequence - one.sequence);
  }

  async write({ sequence, id, epoch }: SnapshotAddress, file: string): Promise<Snapshot> {
    const name = snapshotName({ sequence, id });
    const data = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
    const metadata = { sequence: String(sequence), id, epoch };
    const info = await this.#objects.put({ name, metadata }, data, { timeout: PART_TIMEOUT_MS });
    // Another hub may have taken the parts for leftovers.
    const stored = (await this.#parts()).get(this.#subjectOf(info));
    if (stored !== info.chunks) {
      await this.#objects.delete(name);
      throw new Error(`${stored ?? 0} of ${info.chunks} parts of the snapshot were stored`);
    }
    return snapshotOf(info);
  }

  async read({ name }: Snapshot, file: string, onProgress: (bytes: number) => void): Promise<void> {
    const info = await answer(() => this.#listed.info(name));
    if (info === null || info.deleted) throw new Error(`the snapshot ${name} is gone`);
    const hash = createHash('sha256');
    const handle = await open(file, 'w', 0o600);
    try {
      let bytes = 0;
      for (let part = 0, seq = 1; part < info.chunks; part++) {
        const message = await this.#manager.direct.getMessage(`OBJ_${this.#bucket}`, {
          next_by_subj: this.#subjectOf(info),
          seq,
        });
        if (message === null) throw new Error(`the snapshot ${name} has ${part} of ${info.chunks} parts`);
        seq = message.seq + 1;
        hash.update(message.data);
        await handle.writeFile(message.data);
        onProgress((bytes += message.data.byteLength));
      }
    } finally {
      await handle.close();
    }
    const digest = hash.digest('base64url');
    if (info.digest.replace(/=*$/, '') !== `SHA-256=${digest}`) throw new Error(`the snapshot ${name} is damaged`);
  }

  async remove({ name }: Snapshot): Promise<void> {
    await this.#objects.delete(name);
  }

  async removeLeftovers(): Promise<void> {
    const complete = new Set((await this.#objectInfos()).map((info) => this.#subjectOf(info)));
    for (const subject of (await this.#parts()).keys())
      if (!complete.has(subject)) await this.#manager.streams.purge(`OBJ_${this.#bucket}`, { filter: subject });
  }

  #objectInfos(): Promise<ObjectInfo[]> {
    return answer(() => this.#listed.list());
  }

  /** The number of parts by the subject of their object. */
  async #parts(): Promise<ReadonlyMap<string, number>> {
    const options = { subjects_filter: `$O.${this.#bucket}.C.>` };
    const { state } = await this.#manager.streams.info(`OBJ_${this.#bucket}`, options);
    return new Map(Object.entries(state.subjects ?? {}));
  }

  #subjectOf({ nuid }: Pick<ObjectInfo, 'nuid'>): string {
    return `$O.${this.#bucket}.C.${nuid}`;
  }
}

function snapshotOf({ name, size, metadata, mtime: stored }: ObjectInfo): Snapshot {
  const { sequence, id = '', epoch = '' } = metadata ?? {};
  return { name, bytes: size, sequence: Number(sequence), id, epoch, stored };
}
