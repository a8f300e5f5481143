import type { Interest } from '../core/interests/interest.ts';
import type { Position } from '../core/ports.ts';
import type { ChangeBatch, SharedMembers } from '../core/session-journal/change-batch.ts';
import type { JournalChange, SessionEnd } from '../core/session-journal/session-record.ts';
import type { RecordedSession } from '../auth/sessions.ts';
import { recordedAddress, type JournalAddresses } from './recorded-address.ts';
import type { WaitingChanges } from './waiting-changes.ts';

/**
 * Changes whose lines are written together. Between two of them the hub runs so much other code
 * that the processor has to load the code of the journal again.
 */
export const NEWEST_MAX = 512;
/**
 * Openings among them that are not like the one before, such as those of clients that each read a
 * channel of their own. Each has a full line. Shortly after a start, 256 full lines at once held up
 * the event loop for 17 ms, since V8 had not compiled what writes them.
 */
export const UNLIKE_MAX = 32;
/** Characters of channels and patterns that a record has. `MORE_CHANNELS` replaces the others. */
const CHANNELS_LENGTH_MAX = 4096;
/** The last of a record's channels when others are not recorded. */
export const MORE_CHANNELS = '…';

/** What the journal records of a session when it opens. */
export type DescribedSession = Pick<
  RecordedSession,
  'id' | 'transport' | 'principal' | 'interest' | 'client' | 'address' | 'excludesOwn' | 'sinceMs'
>;

/** The newest changes of the journal, in their order: their lines are not written yet. */
export class NewestChanges {
  readonly #addresses: JournalAddresses;
  readonly #epoch: string;
  /** The number of the session that opened last. */
  #newestNumber: number;
  /**
   * An id alone is an opening like the one before it, perhaps of another user. `#numbers` and
   * `#users` have what only it has.
   */
  readonly #changes: (string | Opening | JournalChange | undefined)[] = Array.from({ length: NEWEST_MAX });
  #count = 0;
  /** Openings that are no id alone. */
  #unlikeCount = 0;
  /** Three numbers of each change that is an id, */
  readonly #numbers = new Float64Array(NEWEST_MAX * NUMBERS);
  /** and its user. */
  readonly #users: (string | undefined)[] = Array.from({ length: NEWEST_MAX });
  /** The newest opening that is no id alone, */
  #opening: Opening | undefined;
  /** and the newest one that was described, which the next ids are like. */
  #described: DescribedOpening | undefined;

  constructor(addresses: JournalAddresses, epoch: string, newestNumber: number) {
    this.#addresses = addresses;
    this.#epoch = epoch;
    this.#newestNumber = newestNumber;
  }

  get count(): number {
    return this.#count;
  }

  /** `moveTo` is due: there is room for no other change, or many of them need a full line. */
  get isFull(): boolean {
    return this.#count >= NEWEST_MAX || this.#unlikeCount >= UNLIKE_MAX;
  }

  /** Adds a change. Call it only while it is not full. */
  add(change: Opening | JournalChange): void {
    this.#changes[this.#count++] = change;
  }

  /** The number of a session that opens now. */
  nextNumber(): number {
    return ++this.#newestNumber;
  }

  /**
   * Adds the opening of a session, as the session is now, and returns the number that it gets.
   * It is one function, also the comparison: each further one may have left the processor's caches.
   */
  addOpening(session: DescribedSession, openedAt: Position | undefined, end: SessionEnd | undefined): number {
    const number = this.nextNumber();
    const like = this.#opening;
    const { principal } = session;
    if (
      like !== undefined &&
      openedAt !== undefined &&
      end === undefined &&
      (principal === like.principal ||
        (principal.kind === like.principal.kind && principal.key === like.principal.key)) &&
      session.interest === like.interest &&
      session.transport === like.transport &&
      session.client === like.client &&
      session.excludesOwn === like.excludesOwn &&
      session.address === like.address
    ) {
      const index = this.#count++;
      const at = index * NUMBERS;
      this.#numbers[at] = number;
      this.#numbers[at + 1] = session.sinceMs;
      this.#numbers[at + 2] = openedAt;
      this.#users[index] = principal.user;
      this.#changes[index] = session.id;
    } else {
      this.#unlikeCount++;
      this.#opening = openingOf(session, number, openedAt, end);
      this.add(this.#opening);
    }
    return number;
  }

  /** Moves them to those that wait, as lines. Returns whether older changes were lost for them. */
  moveTo(waiting: WaitingChanges): boolean {
    const count = this.#count;
    this.#count = 0;
    this.#unlikeCount = 0;
    let hasLost = false;
    let index = 0;
    while (index < count) {
      const described = this.#describeFrom(index, Math.min(count, index + waiting.fillingRoom), waiting.filling);
      if (waiting.added(described)) hasLost = true;
      index += described;
    }
    this.#changes.fill(undefined, 0, count);
    this.#users.fill(undefined, 0, count);
    return hasLost;
  }

  /** Adds the lines of one change, or of alike openings up to an index. Returns their number. */
  #describeFrom(index: number, end: number, batch: ChangeBatch): number {
    const change = this.#changes[index] as string | Opening | JournalChange;
    if (typeof change === 'string') return this.#describeAlike(index, end, batch);
    if (change.kind === 'opening') this.#describe(change, batch);
    else batch.add(change);
    return 1;
  }

  #describeAlike(start: number, end: number, batch: ChangeBatch): number {
    const { members } = this.#described as DescribedOpening;
    const changes = this.#changes;
    const numbers = this.#numbers;
    let index = start;
    for (; index < end; index++) {
      const id = changes[index];
      if (typeof id !== 'string') break;
      const number = numbers[index * NUMBERS] as number;
      const openedMs = numbers[index * NUMBERS + 1] as number;
      const openedAt = numbers[index * NUMBERS + 2] as number;
      this.#addLine(batch, members, number, this.#users[index], id, openedMs, openedAt, undefined);
    }
    return index - start;
  }

  #describe(opening: Opening, batch: ChangeBatch): void {
    const { number, id, principal, interest, openedMs, openedAt, end } = opening;
    const members = this.#membersOf(opening);
    this.#described = { interest, members };
    this.#addLine(batch, members, number, principal.user, id, openedMs, openedAt, end);
  }

  #addLine(
    batch: ChangeBatch,
    members: SharedMembers,
    number: number,
    user: string | undefined,
    id: string,
    openedMs: number,
    openedAt: Position | undefined,
    end: SessionEnd | undefined,
  ): void {
    if (end === undefined && batch.isAlike(members)) return batch.addAlike(number, user, openedMs, id, openedAt);
    const own = { number, id, user, epoch: this.#epoch, changes: NONE, openedMs, openedAt, end };
    batch.add({ kind: 'opened', session: { ...members, ...own } });
  }

  #membersOf({ transport, principal, interest, client, address, excludesOwn }: Opening): SharedMembers {
    const described = this.#described;
    // Many sessions share an interest.
    const isSame = described?.interest === interest;
    return {
      transport,
      kind: principal.kind,
      key: principal.key,
      client,
      address: recordedAddress(address, this.#addresses),
      excludesOwn,
      channels: isSame ? described.members.channels : recordedChannels(interest),
      types: isSame ? described.members.types : interest.types && [...interest.types],
    };
  }
}

const NONE: readonly never[] = [];
const NUMBERS = 3;

/** A session as it was when it opened. */
interface Opening extends Omit<DescribedSession, 'sinceMs'> {
  readonly kind: 'opening';
  readonly number: number;
  readonly openedMs: number;
  readonly openedAt: Position | undefined;
  readonly end: SessionEnd | undefined;
}

/** What an opening and those like it have in common. */
interface DescribedOpening {
  readonly interest: Interest;
  readonly members: SharedMembers;
}

function openingOf(
  session: DescribedSession,
  number: number,
  openedAt: Position | undefined,
  end: SessionEnd | undefined,
): Opening {
  return {
    kind: 'opening',
    number,
    id: session.id,
    transport: session.transport,
    principal: session.principal,
    interest: session.interest,
    client: session.client,
    address: session.address,
    excludesOwn: session.excludesOwn,
    openedMs: session.sinceMs,
    openedAt,
    end,
  };
}

/** The channels of an interest, as far as a record has room for them. */
export function recordedChannels({ patterns }: Interest): readonly string[] {
  let length = 0;
  for (const [index, pattern] of patterns.entries()) {
    length += pattern.length;
    if (length > CHANNELS_LENGTH_MAX) return [...patterns.slice(0, index), MORE_CHANNELS];
  }
  return patterns;
}
