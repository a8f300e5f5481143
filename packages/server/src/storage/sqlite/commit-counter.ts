import { BackgroundSync } from './background-sync.ts';
import { CommittedMark, readMark } from './committed-mark.ts';

/**
 * Milliseconds after which commits that no caller awaits are synced together, counted from the
 * first of them.
 */
const SYNC_DELAY_MS = 1000;

/**
 * Counts the transactions of a database, and marks the durable ones outside the file
 * (`storage/sqlite/committed-mark.ts`). Example: 7 transactions are in the write-ahead log, and 5
 * of them are synced. The mark says 5, so it never claims a commit that a power cut may take back.
 */
export class CommitCounter {
  /** True if acknowledged changes were missing when the file was opened. */
  readonly hasLostCommits: boolean;
  readonly #file: string;
  readonly #mark: CommittedMark;
  #backgroundSync: BackgroundSync;
  #committed: number;
  #marked: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param committed the count in the file */
  constructor(file: string, markFile: string, committed: number) {
    this.#file = file;
    this.hasLostCommits = (readMark(markFile)?.through ?? 0) > committed;
    this.#committed = this.#marked = committed;
    this.#backgroundSync = new BackgroundSync(file);
    this.#mark = new CommittedMark(markFile);
    this.#mark.begin({ generation: 0, through: committed });
  }

  /** Syncs the file, and moves its write-ahead log. */
  get backgroundSync(): BackgroundSync {
    return this.#backgroundSync;
  }

  /** Counts a transaction that is not synced yet. */
  count(): void {
    this.#committed++;
  }

  /** Counts a transaction that was synced, together with all earlier ones. */
  countDurable(): void {
    this.count();
    this.#updateMark(this.#committed);
  }

  /** Counts a transaction that no caller awaits. It is synced within a second. */
  countAndSyncSoon(): void {
    this.count();
    // The next awaited commit reports an error of the disk.
    this.#timer ??= setTimeout(() => this.#syncUnmarked().catch(() => undefined), SYNC_DELAY_MS).unref();
  }

  /** Resolves once all counted transactions are durable, and marks them. */
  async sync(): Promise<void> {
    const committed = this.#committed;
    const backgroundSync = this.#backgroundSync;
    await backgroundSync.sync();
    if (backgroundSync === this.#backgroundSync) this.#updateMark(committed);
  }

  /** Continues with a new connection, its count and its write-ahead log. */
  onReopen(committed: number): void {
    void this.#backgroundSync.close();
    this.#backgroundSync = new BackgroundSync(this.#file);
    this.#committed = committed;
  }

  /** Must run before the last connection closes, which syncs everything. */
  beforeClose(): void {
    clearTimeout(this.#timer);
    void this.#backgroundSync.close();
  }

  /** Must run after the last connection has closed. */
  afterClose(): void {
    this.#updateMark(this.#committed);
    this.#mark.close();
  }

  async #syncUnmarked(): Promise<void> {
    this.#timer = undefined;
    if (this.#committed !== this.#marked) await this.sync();
  }

  #updateMark(committed: number): void {
    if (committed <= this.#marked) return;
    this.#marked = committed;
    this.#mark.update(committed);
  }
}
