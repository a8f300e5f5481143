import type { Feed } from '../../core/feed.ts';
import type { Interest } from '../../core/interests/interest.ts';
import type { StoredRecord } from '../../core/ports.ts';
import type { SubscriptionDefinition } from '../state/definition.ts';
import { compileFilter, type Filter } from '../state/filter.ts';
import { GAP_TYPE } from './gap.ts';

/**
 * The events that a subscription selects: by channel and type (its interest), and by its filter.
 * Example: of `orders.>`, those with `data.total` above 100.
 */
export class EventSelection {
  readonly interest: Interest;
  readonly filter: Filter | undefined;

  constructor(feed: Feed, { channels, types, filter }: SubscriptionDefinition) {
    this.interest = feed.interest(channels, types);
    this.filter = filter === undefined ? undefined : compileFilter(filter);
  }

  matches(record: StoredRecord): boolean {
    return this.interest.matches(record) && passes(this.filter, record);
  }

  /** The records that pass the filter. The caller has matched their channel and type already. */
  matching(records: readonly StoredRecord[]): readonly StoredRecord[] {
    const { filter } = this;
    return filter === undefined ? records : records.filter((record) => passes(filter, record));
  }

  /**
   * Whether a channel is one of the selected ones. A gap of all channels has no channel of its own.
   */
  hasChannel(channel: string): boolean {
    return channel === GAP_TYPE || this.interest.covers(channel);
  }
}

function passes(filter: Filter | undefined, record: StoredRecord): boolean {
  return filter === undefined || filter(parseRecord(record));
}

/** The value of an event's JSON, without its id; `undefined` when it is not JSON. */
function parseRecord({ body }: StoredRecord): unknown {
  try {
    return JSON.parse(`{${Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()}`) as unknown;
  } catch {
    return undefined;
  }
}
