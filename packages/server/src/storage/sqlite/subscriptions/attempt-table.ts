import type { Position } from '../../../core/ports.ts';
import type { Attempt } from '../../../subscriptions/state/ports.ts';
import { keptMaxOf, PRUNE_SLACK, type AttemptBounds } from '../../shared/attempt-bounds.ts';
import type { AttemptsQuery } from '../../../subscriptions/state/subscription-store.ts';
import type { Statements } from './statements.ts';

/** The table of attempts, pruned to its bounds. */
export class AttemptTable {
  readonly #statements: Statements;
  readonly #bounds: AttemptBounds;
  /** The number of attempts of each subscription: delivered, failed. */
  readonly #counts = new Map<string, [delivered: number, failed: number]>();
  readonly #overLimit = new Set<string>();
  #bytes = 0;
  #count = 0;
  readonly lastNumber: number;

  constructor(statements: Statements, bounds: AttemptBounds) {
    this.#statements = statements;
    this.#bounds = bounds;
    this.lastNumber = (statements.attemptsLast.get() as { last: number }).last;
    this.#recount();
  }

  get count(): number {
    return this.#count;
  }

  put(attempt: Attempt): void {
    const { number, subscription, epoch, position, others, outcome } = attempt;
    const failed = outcome === 'delivered' ? 0 : 1;
    const rest = JSON.stringify(attempt);
    this.#statements.putAttempt.run(
      number,
      subscription,
      failed,
      position,
      rest.length,
      rest,
      epoch,
      others.at(-1) ?? position,
    );
    const counts = this.#countsOf(subscription);
    counts[failed]++;
    this.#count++;
    this.#bytes += rest.length;
    if (counts[failed] > this.#maxOf(failed) * PRUNE_SLACK) this.#overLimit.add(subscription);
  }

  /** Deletes attempts beyond the bounds. Must run within the transaction that added some. */
  prune(): void {
    if (this.#overLimit.size > 0) {
      for (const subscription of this.#overLimit) this.#pruneOne(subscription);
      this.#overLimit.clear();
    }
    if (!this.#isOverLimit) return;
    // The sum of bytes still includes attempts that were deleted since the last count.
    this.#recount();
    while (this.#isOverLimit) {
      this.#statements.dropAttemptsOldest.run(Math.ceil(this.#count / 8));
      this.#recount();
    }
  }

  /** Drops the counts of a subscription. The caller deletes its rows. */
  forget(subscription: string): void {
    const [delivered, failed] = this.#countsOf(subscription);
    this.#count -= delivered + failed;
    this.#counts.delete(subscription);
    this.#overLimit.delete(subscription);
  }

  /** Deletes the attempts of these events, and all that hold one of the texts. */
  erase(epoch: string, positions: readonly Position[], texts: readonly string[]): void {
    for (const position of positions) this.#statements.eraseAttemptsAt.run(position, epoch);
    for (const text of texts) this.#statements.eraseAttemptsWith.run(text);
    this.#recount();
  }

  /** The newest first. */
  list({ subscription, event, before, limit }: AttemptsQuery): readonly Attempt[] {
    const statements = this.#statements;
    const rows =
      event === undefined
        ? subscription === undefined
          ? statements.attempts.all(before, limit)
          : statements.attemptsOf.all(subscription, before, limit)
        : subscription === undefined
          ? statements.attemptsAt.all(event.position, event.epoch, before, limit)
          : statements.attemptsOfAt.all(event.position, event.epoch, before, limit, subscription);
    return (rows as unknown as AttemptRow[]).map(attemptOf);
  }

  #pruneOne(subscription: string): void {
    const counts = this.#countsOf(subscription);
    for (const failed of [0, 1] as const) {
      const max = this.#maxOf(failed);
      if (counts[failed] <= max * PRUNE_SLACK) continue;
      this.#count -= Number(this.#statements.dropAttemptsOf.run(subscription, failed, max).changes);
      counts[failed] = max;
    }
  }

  get #isOverLimit(): boolean {
    const { attemptsKeptMax, bytesMax } = this.#bounds;
    return this.#count > attemptsKeptMax || this.#bytes > bytesMax;
  }

  #maxOf(failed: 0 | 1): number {
    return keptMaxOf(this.#bounds, failed === 0);
  }

  #countsOf(subscription: string): [delivered: number, failed: number] {
    let counts = this.#counts.get(subscription);
    if (counts === undefined) {
      counts = [0, 0];
      this.#counts.set(subscription, counts);
    }
    return counts;
  }

  #recount(): void {
    this.#counts.clear();
    this.#bytes = this.#count = 0;
    for (const {
      subscription,
      failed,
      count,
      bytes,
    } of this.#statements.attemptCounts.all() as unknown as CountRow[]) {
      this.#countsOf(subscription)[failed] = count;
      this.#count += count;
      this.#bytes += bytes;
    }
  }
}

interface AttemptRow {
  readonly epoch: string;
  readonly rest: string;
}

/**
 * In rows older than schema version 3, the JSON has neither the log's epoch nor the other events of
 * the batch.
 */
function attemptOf({ epoch, rest }: AttemptRow): Attempt {
  const unsaid = { epoch, others: [], isGap: false };
  return { ...unsaid, ...(JSON.parse(rest) as Attempt) };
}

interface CountRow {
  readonly subscription: string;
  readonly failed: 0 | 1;
  readonly count: number;
  readonly bytes: number;
}
