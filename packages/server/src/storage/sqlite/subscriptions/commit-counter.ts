import { dirname, join } from 'node:path';
import { CommittedMark, readMark } from '../committed-mark.ts';
import { BackgroundSync } from '../background-sync.ts';
import { MARK_FILE } from './schema.ts';

/**
 * Milliseconds after which commits that no caller awaits are synced together, counted from the
 * first of them.
 */
const SYNC_DELAY_MS = 1000;

/**
 * Counts the transactions of `subscriptions.sqlite`, and marks the durable ones outside the file
 * (`storage/sqlite/committed-mark.ts`). An awaited transaction is marked before its
 * acknowledgement. The others are synced once a second, in the background, and marked afterwards.
 * So a mark never claims a commit that a power cut may take back.
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
  constructor(file: string, committed: number) {
    this.#file = file;
    const mark = join(dirname(file), MARK_FILE);
    this.hasLostCommits = (readMark(mark)?.through ?? 0) > committed;
    this.#committed = this.#marked = committed;
    this.#backgroundSync = new BackgroundSync(file);
    this.#mark = new CommittedMark(mark);
    this.#mark.begin({ generation: 0, through: committed });
  }

  /** Counts a transaction. @param isDurable it was synced, together with all earlier ones */
  onCommit(isDurable: boolean): void {
    this.#committed++;
    if (isDurable) this.#updateMark(this.#committed);
    else this.#timer ??= setTimeout(() => this.#sync(), SYNC_DELAY_MS).unref();
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

  #sync(): void {
    this.#timer = undefined;
    const committed = this.#committed;
    if (committed === this.#marked) return;
    const disk = this.#backgroundSync;
    disk.sync().then(
      () => disk === this.#backgroundSync && this.#updateMark(committed),
      // The next awaited commit reports the error of the disk.
      () => undefined,
    );
  }

  #updateMark(committed: number): void {
    if (committed <= this.#marked) return;
    this.#marked = committed;
    this.#mark.update(committed);
  }
}
