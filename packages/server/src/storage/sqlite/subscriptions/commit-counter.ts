import { dirname, join } from 'node:path';
import { CommittedMark, readMark } from '../committed-mark.ts';
import { BackgroundSync } from '../background-sync.ts';
import { MARK_FILE } from './schema.ts';

/** Commits that nobody waits for are synced so long after the first of them, all at once. */
const SYNC_DELAY_MS = 1000;

/**
 * Counts the transactions of `subscriptions.sqlite`, and marks those that are durable outside it (`storage/sqlite/committed-mark.ts`). What was
 * acknowledged is marked before it is; the rest is synced once a second, beside the thread's work, and marked then. So a mark never
 * claims what a power cut may take back.
 */
export class CommitCounter {
  /** Acknowledged changes were missing when the file was opened. */
  readonly hasLostCommits: boolean;
  readonly #file: string;
  readonly #mark: CommittedMark;
  #backgroundSync: BackgroundSync;
  #committed: number;
  #marked: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param committed as the file has it */
  constructor(file: string, committed: number) {
    this.#file = file;
    const mark = join(dirname(file), MARK_FILE);
    this.hasLostCommits = (readMark(mark)?.through ?? 0) > committed;
    this.#committed = this.#marked = committed;
    this.#backgroundSync = new BackgroundSync(file);
    this.#mark = new CommittedMark(mark);
    this.#mark.begin({ generation: 0, through: committed });
  }

  /** One more. @param isDurable it was synced, and with it all before */
  onCommit(isDurable: boolean): void {
    this.#committed++;
    if (isDurable) this.#updateMark(this.#committed);
    else this.#timer ??= setTimeout(() => this.#sync(), SYNC_DELAY_MS).unref();
  }

  /** There is another connection: what it found, and another write-ahead log. */
  onReopen(committed: number): void {
    void this.#backgroundSync.close();
    this.#backgroundSync = new BackgroundSync(this.#file);
    this.#committed = committed;
  }

  /** Before the last connection is closed, which syncs everything… */
  beforeClose(): void {
    clearTimeout(this.#timer);
    void this.#backgroundSync.close();
  }

  /** …and after it was. */
  afterClose(): void {
    this.#updateMark(this.#committed);
    this.#mark.close();
  }

  #sync(): void {
    this.#timer = undefined;
    const committed = this.#committed;
    if (committed === this.#marked) return;
    const disk = this.#backgroundSync;
    disk.sync().then(
      () => disk === this.#backgroundSync && this.#updateMark(committed),
      // A disk that takes nothing says so to the next commit that somebody waits for.
      () => undefined,
    );
  }

  #updateMark(committed: number): void {
    if (committed <= this.#marked) return;
    this.#marked = committed;
    this.#mark.update(committed);
  }
}
