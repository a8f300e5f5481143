import type { AuditEntry } from '../../../core/access/identity-store.ts';
import type { LogState, Overwritten, PackedEvents } from '../../../core/ports.ts';
import { packedRecords } from '../../../core/unread-events.ts';
import type { Block } from '../../view/block.ts';
import type { ViewIdentity } from '../../view/identity-state.ts';
import { appliedRecords, EMPTY_VIEW } from '../../view/view-state.ts';
import type { DeadLetter, DeadLettersQuery } from '../../../subscriptions/state/ports.ts';
import type { StoredSubscription } from '../../../subscriptions/state/subscription-store.ts';
import type { BlockOutcome, LogView, ViewState, ViewSubscriptionState } from '../../view/log-view.ts';
import { BlockBuffer } from './block-buffer.ts';
import type { AppliedAnswer } from './messages.ts';
import { openWithWriter, type SqliteLogOptions } from './open-sqlite-log.ts';
import { SqliteLog } from './sqlite-log.ts';
import { beginBuild, type ViewBuild } from './view-build.ts';

/**
 * Opens the view of a journal in a data folder. It does not collect appends and does not sync
 * commits: the journal has done both.
 * @throws DataFolderError as `openSqliteLog` does, and when the folder has a log of its own
 */
export async function openSqliteView(
  options: Pick<SqliteLogOptions, 'folder'> & { readonly auditEntriesMax: number },
): Promise<LogView> {
  const build = await beginBuild(options.folder);
  return openWithWriter(options, 'view-writer', (...parts) => new SqliteView(build, ...parts));
}

class SqliteView extends SqliteLog implements LogView {
  #applied: ViewState = EMPTY_VIEW;
  readonly #buffer = new BlockBuffer();
  #packedListener: ((events: PackedEvents) => void) | undefined;
  readonly #build: ViewBuild | undefined;

  constructor(build: ViewBuild | undefined, ...parts: ConstructorParameters<typeof SqliteLog>) {
    super(...parts);
    this.#build = build;
  }

  /** A writer that was started again may have applied more than it could say. */
  get applied(): ViewState {
    const { applied = EMPTY_VIEW } = this.openedLog;
    return applied.sequence > this.#applied.sequence ? applied : this.#applied;
  }

  override get state(): LogState {
    const { epoch, epochStart } = this.applied;
    return { ...super.state, epoch, epochStart };
  }

  get isLost(): boolean {
    return this.#build?.hasFailed === true;
  }

  get channelCount(): number {
    return this.writerCounters.get('channels');
  }

  async apply(blocks: readonly Block[], isBehind = false, passedOnThrough = 0): Promise<readonly BlockOutcome[]> {
    const packed = this.#buffer.pack(blocks);
    const request = { kind: 'apply', isBehind, ...packed } as const;
    const [{ state, outcomes, head }, buffer] = await this.#change<AppliedAnswer>(request, [packed.buffer]);
    this.#buffer.keep(buffer);
    this.#applied = state;
    const count = head - this.state.head;
    this.moveHead(head);
    // The last block tells whether the follower has them all.
    if (count > 0 && (blocks.at(-1)?.sequence ?? 0) > passedOnThrough)
      this.#packedListener?.({
        through: head,
        count,
        bytes: blocks.reduce((sum, { data }) => sum + data.byteLength, 0),
        unpack: () => appliedRecords(blocks, outcomes, passedOnThrough),
        discard: () => freeEvents(blocks),
      });
    return outcomes;
  }

  async endBuild(): Promise<void> {
    if (this.#build?.isRunning !== true) return;
    await this.#change({ kind: 'end_build' });
    this.#build.end();
  }

  /** While the view is built, a change that fails may damage it. */
  async #change<Value>(...request: Parameters<SqliteLog['change']>): Promise<Value> {
    try {
      return await this.change<Value>(...request);
    } catch (error) {
      this.#build?.fail();
      throw error;
    }
  }

  release(block: Block): void {
    // The follower has the blocks of its events, and discards them.
    if (this.#packedListener === undefined) freeEvents([block]);
  }

  followPacked(listener: (events: PackedEvents) => void): void {
    this.#packedListener = listener;
    // Those that a writer stored, and could not report.
    this.follow((records) => listener(packedRecords(records)));
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#build?.close();
  }

  overwrite(): Promise<Overwritten> {
    return this.change({ kind: 'overwrite' });
  }

  identity(): Promise<ViewIdentity> {
    return this.ask({ kind: 'identity' });
  }

  auditPage(before: number, limit: number): Promise<readonly AuditEntry[]> {
    return this.ask({ kind: 'audit', before, limit });
  }

  subscriptionState(): Promise<ViewSubscriptionState> {
    return this.ask({ kind: 'subscription_state' });
  }

  subscriptions(after: string, limit: number): Promise<readonly StoredSubscription[]> {
    return this.ask({ kind: 'subscriptions', after, limit });
  }

  deadLetters(subscription: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    return this.ask({ kind: 'dead_letters', subscription, query });
  }
}

/** Their events are in the database, or were ephemeral. Commands stay: they are few and small. */
function freeEvents(blocks: readonly Block[]): void {
  for (const { kind, data } of blocks) if (kind === 'events') data.buffer.transfer(0);
}
