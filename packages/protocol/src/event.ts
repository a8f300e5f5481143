/**
 * An event as every consumer sees it (PROTOCOL.md section 3). On the wire its members stand in this order; those that
 * are absent are left out.
 */
export interface PolycastEvent<Data = unknown> {
  /** The cursor just after this event: it sorts, deduplicates and resumes. */
  readonly id: string;
  readonly channel: string;
  /** At most 200 characters. */
  readonly type?: string;
  /** When the hub accepted the event, RFC 3339 in UTC with milliseconds. */
  readonly time: string;
  readonly user?: string;
  readonly origin?: string;
  /** The media type of `data` when it is text, or of `data_base64`; absent when `data` is JSON. */
  readonly datacontenttype?: string;
  /** The CloudEvents attributes that have no place of their own here, when the event was published as a CloudEvent. */
  readonly cloudevent?: Readonly<Record<string, string | number | boolean>>;
  readonly data?: Data;
  /** Bytes, in base64, when what was published is neither JSON nor text. */
  readonly data_base64?: string;
}

/** What can no longer be delivered: the events after `from`, up to and with `to` (PROTOCOL.md section 2.3). */
export interface Gap {
  readonly from: string;
  readonly to: string;
  readonly reason: GapReason;
}

/** Each reason, with what it says (PROTOCOL.md section 2.3). */
export const GAP_REASONS = {
  retention: 'a rule removed them',
  epoch: 'the log that they were in is not this one',
  corrupt: 'they are damaged on the hub’s disk',
} as const;

export type GapReason = keyof typeof GAP_REASONS;

/** What a poll answers (PROTOCOL.md section 5). */
export interface PollResponse<Data = unknown> {
  readonly events: readonly PolycastEvent<Data>[];
  /** Where the next poll goes on: its `after=`. */
  readonly cursor: string;
  readonly gaps: readonly Gap[];
  /** The hub has looked through a part of the log and found nothing, and there is more of it: ask again at once. */
  readonly more?: true;
}
