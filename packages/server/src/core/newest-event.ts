import type { Feed } from './feed.ts';
import type { Interest } from './interest.ts';
import type { StoredRecord } from './ports.ts';

/** The newest event that is kept, from memory if it is there; `undefined` for none. */
export async function newestEvent(feed: Feed, interest: Interest): Promise<StoredRecord | undefined> {
  const recent = feed.newest(interest);
  if (recent !== undefined) return recent;
  const page = await feed.read(interest, 0, feed.head, 'backward', 1, Infinity);
  return page.records[0];
}
