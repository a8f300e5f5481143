import {
  STATUS_REASONS,
  type LostPosition,
  type OpenEvent,
  type StatusReason,
  type SubscriptionDefinition,
  type SubscriptionState,
} from '../../../subscriptions/state/definition.ts';
import type { Replay } from '../../../subscriptions/state/ports.ts';
import type { StoredSubscription } from '../../../subscriptions/state/subscription-store.ts';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import type { DatabaseFile } from '../database-file.ts';
import type { Statements } from './statements.ts';

/**
 * Reads a page of subscriptions with ids after `after`, in the order of ids.
 * @throws DataFolderError for rows that no version of Polycast writes
 */
export function loadSubscriptions(
  statements: Statements,
  databaseFile: DatabaseFile,
  after: string,
  limit: number,
): readonly StoredSubscription[] {
  return (statements.subscriptions.all(after, limit) as unknown as SubscriptionRow[]).map((row) => {
    const { id, state, sinceMs, cursor, failingSinceMs, restUntilMs, lostEpoch, lostAfter, held } = row;
    if (state === null) throw invalidRowError(databaseFile, `${id} without its checkpoint`);
    const status = {
      state,
      reason: parseReason(databaseFile, row),
      sinceMs,
      cursor,
      failingSinceMs: failingSinceMs ?? undefined,
      restUntilMs: restUntilMs ?? undefined,
      lost: lostPositionOf(lostEpoch, lostAfter),
    };
    return {
      definition: parseDefinition(databaseFile, row),
      status: held === null ? status : { ...status, held },
      open: (statements.openOf.all(id) as unknown as OpenRow[]).map((open) => ({
        ...open,
        lease: open.lease ?? undefined,
        heldAfter: open.heldAfter ?? undefined,
        isAside: open.isAside === 1 || undefined,
      })),
      deadLetters: (statements.deadLettersOf.get(id) as { count: number }).count,
      replays: (statements.replaysOf.all(id) as unknown as ReplayRow[]).map(replayOf),
    };
  });
}

function replayOf({ done, channel, lostEpoch, lostAfter, ...replay }: ReplayRow): Replay {
  return { ...replay, channel: channel ?? undefined, lost: lostPositionOf(lostEpoch, lostAfter), isDone: done === 1 };
}

function lostPositionOf(epoch: string | null, position: number | null): LostPosition | undefined {
  return epoch === null ? undefined : { epoch, position: position ?? 0 };
}

function parseReason(databaseFile: DatabaseFile, { id, reason }: SubscriptionRow): StatusReason {
  const known = STATUS_REASONS.find((each) => each === reason);
  if (known === undefined) throw invalidRowError(databaseFile, `${id} with an unknown reason of its state`);
  return known;
}

function parseDefinition(databaseFile: DatabaseFile, { id, definition }: SubscriptionRow): SubscriptionDefinition {
  try {
    return JSON.parse(definition) as SubscriptionDefinition;
  } catch {
    throw invalidRowError(databaseFile, `a definition of ${id} that is not JSON`);
  }
}

/** The error for a row that no version of Polycast writes. */
export function invalidRowError({ file, repair }: DatabaseFile, problem: string): DataFolderError {
  return new DataFolderError('corrupt', `${file} holds ${problem}. ${repair}`);
}

interface SubscriptionRow {
  readonly id: string;
  readonly definition: string;
  readonly state: SubscriptionState | null;
  readonly reason: string;
  readonly sinceMs: number;
  readonly cursor: number;
  readonly failingSinceMs: number | null;
  readonly restUntilMs: number | null;
  readonly held: number | null;
  readonly lostEpoch: string | null;
  readonly lostAfter: number | null;
}

type OpenRow = Omit<OpenEvent, 'lease' | 'heldAfter' | 'isAside'> & {
  readonly isAside: 0 | 1;
  readonly lease: string | null;
  readonly heldAfter: number | null;
};

type ReplayRow = Omit<Replay, 'channel' | 'isDone' | 'lost'> & {
  readonly channel: string | null;
  readonly done: 0 | 1;
  readonly lostEpoch: string | null;
  readonly lostAfter: number | null;
};
