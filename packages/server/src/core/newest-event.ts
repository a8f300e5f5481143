import { PolycastError } from '@polycast/protocol';
import type { Feed } from './feed.ts';
import type { Interest } from './interests/interest.ts';
import type { Position, StoredRecord } from './ports.ts';
import type { IsWanted } from './primitives/single-flight.ts';

/** The newest readable event, and whether a newer one is damaged. */
export interface Readable {
  readonly record: StoredRecord | undefined;
  /** Newer events up to this position are damaged on the disk; 0 when none is. */
  readonly damagedThrough: Position;
}

/**
 * The newest stored event, from memory if it is there; `undefined` for none. An older event never
 * passes as the newest: a client that changes its value by `ifMatch` would never learn why that is
 * refused.
 * @throws PolycastError `event_damaged`
 */
export async function newestEvent(
  feed: Feed,
  interest: Interest,
  isWanted?: IsWanted,
): Promise<StoredRecord | undefined> {
  const { record, damagedThrough } = await newestReadable(feed, interest, isWanted);
  if (damagedThrough > 0) throw new PolycastError('event_damaged', 'The newest event of the channel cannot be read.');
  return record;
}

export async function newestReadable(feed: Feed, interest: Interest, isWanted?: IsWanted): Promise<Readable> {
  const recent = feed.newest(interest);
  if (recent !== undefined) return { record: recent, damagedThrough: 0 };
  let damagedThrough: Position = 0;
  // A page with damage may end before it reaches an event.
  for (let through = feed.head; through > 0;) {
    const page = await feed.read(interest, 0, through, 'backward', 1, Infinity, isWanted);
    const [record] = page.records;
    if (page.corruptThrough > (record?.position ?? 0)) damagedThrough = Math.max(damagedThrough, page.corruptThrough);
    if (record !== undefined) return { record, damagedThrough };
    through = Math.min(page.reached, through - 1);
  }
  return { record: undefined, damagedThrough };
}
