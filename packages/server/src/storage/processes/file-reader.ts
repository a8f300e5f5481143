import type { CountedPage, CountQuery, ReadPage, ReadQuery } from '../../core/ports.ts';
import type { ReaderRequest } from '../sqlite/log/messages.ts';
import { decodePage, type PackedPage } from '../sqlite/log/page-codec.ts';
import { Thread } from '../sqlite/thread.ts';

/**
 * Reads the SQLite file of a log that another process writes.
 * The thread starts with the first read.
 */
export class FileReader {
  readonly #folder: string;
  #thread: Thread<ReaderRequest> | undefined;
  #opened: Promise<Thread<ReaderRequest>> | undefined;
  reads = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    const thread = await this.#open();
    return decodePage(await thread.request<PackedPage>({ kind: 'read', query }));
  }

  async count(query: CountQuery): Promise<CountedPage> {
    const thread = await this.#open();
    return thread.request<CountedPage>({ kind: 'count', query });
  }

  async close(): Promise<void> {
    await this.#thread?.close({ kind: 'close' });
  }

  /** The thread, or another one if it has failed. */
  #open(): Promise<Thread<ReaderRequest>> {
    this.reads++;
    if (this.#opened === undefined || this.#thread?.hasFailed === true) {
      const thread = new Thread<ReaderRequest>('log-reader', { folder: this.#folder });
      this.#thread = thread;
      this.#opened = thread.request({ kind: 'open' }).then(() => thread);
    }
    return this.#opened;
  }
}
