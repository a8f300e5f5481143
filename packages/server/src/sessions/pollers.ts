import type { TransportName } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import type { Interest } from '../core/interests/interest.ts';
import type { Position } from '../core/ports.ts';
import {
  withRange,
  type EndReason,
  type PositionRange,
  type SessionEnd,
} from '../core/session-journal/session-record.ts';
import type { AnsweredPoll } from '../auth/sessions.ts';

/**
 * A poller is the polls of one user for the same channels and types, with less than a minute from
 * each answer to the next. Example: Ann's page polls `orders.42` every 30 seconds, so all its polls
 * are one session of the journal. It opens with the position that its first poll asked from, and
 * ends where its last answer ended.
 */
export interface Poller {
  /** Its number in the journal. */
  number: number;
  readonly id: string;
  transport: TransportName;
  principal: Principal;
  readonly interest: Interest;
  /** The patterns of the interest. */
  readonly channels: readonly string[];
  readonly client: string | undefined;
  readonly excludesOwn: boolean;
  address: string;
  readonly sinceMs: number;
  readonly openedAt: Position;
  /** When it was last answered, and the position that this answer reached. */
  answeredMs: number;
  position: Position;
  polls: number;
  /** The newest ranges that it passed over (`SessionEnd`). */
  skipped: readonly PositionRange[];
  /** The newest ranges in which retention had removed events. */
  gaps: readonly PositionRange[];
}

interface PollersParts {
  readonly nowMs: () => number;
  readonly createId: () => string;
  readonly isWaiting: (user: string) => boolean;
  /** Sets the number of a new poller. */
  readonly opened: (poller: Poller) => void;
  readonly ended: (poller: Poller, end: SessionEnd) => void;
}

/** A poller ends when it was not answered for this long. The longest long poll is shorter. */
export const POLLER_IDLE_MS = 60_000;
/** Pollers in memory, some 25 MB. Beyond it the polls of further users are not recorded. */
const POLLERS_MAX = 50_000;
/** Of one user. Beyond it the one that was answered the longest ago ends. */
const POLLERS_PER_USER_MAX = 20;

/** The pollers that have not ended, by user. */
export class Pollers {
  readonly #parts: PollersParts;
  readonly #byUser = new Map<string, Poller[]>();
  #size = 0;

  constructor(parts: PollersParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#size;
  }

  *each(): Generator<Poller> {
    for (const pollers of this.#byUser.values()) yield* pollers;
  }

  ofUser(user: string): readonly Poller[] {
    return this.#byUser.get(user) ?? [];
  }

  answered(poll: AnsweredPoll): void {
    const { user } = poll.principal;
    if (user === undefined) return;
    const known = this.#byUser
      .get(user)
      ?.find(({ interest, client }) => interest.key === poll.interest.key && client === poll.client);
    if (known === undefined) return this.#open(user, poll);
    if (poll.from > known.position) known.skipped = withRange(known.skipped, [known.position, poll.from]);
    if (poll.gapThrough > 0) known.gaps = withRange(known.gaps, [poll.from, poll.gapThrough]);
    known.transport = poll.transport;
    known.principal = poll.principal;
    known.address = poll.address;
    known.answeredMs = this.#parts.nowMs();
    known.position = poll.reached;
    known.polls++;
  }

  /** Ends the pollers that have gone. */
  endIdle(): void {
    const beforeMs = this.#parts.nowMs() - POLLER_IDLE_MS;
    const { isWaiting } = this.#parts;
    this.#endWhere(({ answeredMs, principal: { user = '' } }) => answeredMs < beforeMs && !isWaiting(user), 'idle');
  }

  /** Ends one poller. Its next poll opens another one. */
  end(poller: Poller, reason: EndReason): void {
    this.#endWhere((each) => each === poller, reason);
  }

  endAll(reason: EndReason): void {
    this.#endWhere(() => true, reason);
  }

  /** Forgets a user's pollers without recording their end. */
  forget(user: string): void {
    this.#size -= this.#byUser.get(user)?.length ?? 0;
    this.#byUser.delete(user);
  }

  #open(user: string, poll: AnsweredPoll): void {
    if (this.#size >= POLLERS_MAX) return;
    const { transport, principal, interest, client, excludesOwn, address, from, reached } = poll;
    const nowMs = this.#parts.nowMs();
    const poller: Poller = {
      number: 0,
      id: this.#parts.createId(),
      transport,
      principal,
      interest,
      channels: interest.patterns,
      client,
      excludesOwn,
      address,
      sinceMs: nowMs,
      openedAt: from,
      answeredMs: nowMs,
      position: reached,
      polls: 1,
      skipped: [],
      gaps: poll.gapThrough > 0 ? [[from, poll.gapThrough]] : [],
    };
    const known = this.#byUser.get(user) ?? [];
    if (known.length >= POLLERS_PER_USER_MAX)
      this.end(
        known.reduce((one, other) => (one.answeredMs <= other.answeredMs ? one : other)),
        'idle',
      );
    const pollers = this.#byUser.get(user);
    if (pollers === undefined) this.#byUser.set(user, [poller]);
    else pollers.push(poller);
    this.#size++;
    this.#parts.opened(poller);
  }

  #endWhere(isEnding: (poller: Poller) => boolean, reason: EndReason): void {
    for (const [user, pollers] of this.#byUser) {
      const ending = pollers.filter(isEnding);
      if (ending.length === 0) continue;
      const remaining = pollers.filter((poller) => !ending.includes(poller));
      this.#size -= ending.length;
      if (remaining.length === 0) this.#byUser.delete(user);
      else this.#byUser.set(user, remaining);
      for (const poller of ending) {
        const { answeredMs: timeMs, position, polls, skipped, gaps } = poller;
        this.#parts.ended(poller, { timeMs, position, reason, polls, skipped, gaps });
      }
    }
  }
}
