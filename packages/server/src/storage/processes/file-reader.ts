import { setTimeout as delay } from 'node:timers/promises';
import { PolycastError } from '@polycast/protocol';
import type { CountedPage, CountQuery, Position, ReadPage, ReadQuery } from '../../core/ports.ts';
import type { ReaderRequest } from '../sqlite/log/messages.ts';
import { decodePage, type PackedPage } from '../sqlite/log/page-codec.ts';
import { Thread } from '../sqlite/thread.ts';

/** A read waits at most this long for events that the owner's view has not committed yet. */
const COMMIT_WAIT_MS = 5_000;
const COMMIT_INTERVAL_MS = 5;

/**
 * Reads the SQLite file of a log that another process writes.
 * The thread starts with the first read.
 *
 * The file of a view may be behind the events that the owner has sent, which are durable in the
 * journal. A read waits until the file has them.
 */
export class FileReader {
  readonly #folder: string;
  readonly #isView: boolean;
  /** The newest position that the file of a view was seen to have. */
  #head: Position = 0;
  #thread: Thread<ReaderRequest> | undefined;
  #opened: Promise<Thread<ReaderRequest>> | undefined;
  reads = 0;

  /** @param isView whether the file is a view of the journal of a cluster */
  constructor(folder: string, isView: boolean) {
    this.#folder = folder;
    this.#isView = isView;
  }

  /** @throws PolycastError `log_unavailable` */
  async read(query: ReadQuery): Promise<ReadPage> {
    const thread = await this.#openFor(query);
    return decodePage(await thread.request<PackedPage>({ kind: 'read', query }));
  }

  /** @throws PolycastError `log_unavailable` */
  async count(query: CountQuery): Promise<CountedPage> {
    const thread = await this.#openFor(query);
    return thread.request<CountedPage>({ kind: 'count', query });
  }

  async close(): Promise<void> {
    await this.#thread?.close({ kind: 'close' });
  }

  /** Another file may be in its place. Reads that have begun end as they would have. */
  reopen(): void {
    this.#thread?.close({ kind: 'close' }).catch(() => undefined);
    this.#thread = undefined;
    this.#opened = undefined;
    this.#head = 0;
  }

  /** The thread, when its file has the events of a range. */
  async #openFor({ after, through }: CountQuery): Promise<Thread<ReaderRequest>> {
    this.reads++;
    const needed = this.#isView && after < through ? through : 0;
    const untilMs = performance.now() + COMMIT_WAIT_MS;
    while (true) {
      const thread = await this.#open();
      const head = this.#head < needed ? await thread.request<Position>({ kind: 'head' }) : this.#head;
      // The file was opened again meanwhile.
      if (this.#thread !== thread) continue;
      this.#head = head;
      if (head >= needed) return thread;
      if (performance.now() > untilMs) throw new PolycastError('log_unavailable', 'This hub is behind its log.');
      await delay(COMMIT_INTERVAL_MS);
    }
  }

  /** The thread, or another one if it has failed. */
  #open(): Promise<Thread<ReaderRequest>> {
    if (this.#opened === undefined || this.#thread?.hasFailed === true) {
      const thread = new Thread<ReaderRequest>('log-reader', { folder: this.#folder });
      this.#thread = thread;
      this.#opened = thread.request({ kind: 'open' }).then(() => thread);
    }
    return this.#opened;
  }
}
