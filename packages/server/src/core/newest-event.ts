import { PolycastError } from '@polycast/protocol';
import type { Feed } from './feed.ts';
import type { Interest } from './interest.ts';
import type { StoredRecord } from './ports.ts';
import type { IsWanted } from './under-way.ts';

/** The newest event that is kept, from memory if it is there; `undefined` for none. */
export async function newestEvent(
  feed: Feed,
  interest: Interest,
  isWanted?: IsWanted,
): Promise<StoredRecord | undefined> {
  const recent = feed.newest(interest);
  if (recent !== undefined) return recent;
  const { records, corruptThrough } = await feed.read(interest, 0, feed.head, 'backward', 1, Infinity, isWanted);
  if (corruptThrough > (records[0]?.position ?? 0))
    throw new PolycastError('log_unavailable', 'The newest event of the channel is damaged on the disk.');
  return records[0];
}
