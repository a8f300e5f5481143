/**
 * An event as every consumer receives it (PROTOCOL.md section 3). On the wire its members have this
 * order; absent members are left out. For example,
 * `{"id":"0t24qj92dx-00000000001","channel":"orders.42","time":"…","data":{"state":"baked"}}`.
 */
export interface PolycastEvent<Data = unknown> {
  /** The cursor directly after this event: it sorts, deduplicates and resumes. */
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
  /**
   * The CloudEvents attributes without a member of their own here, if the event was published as a
   * CloudEvent.
   */
  readonly cloudevent?: Readonly<Record<string, string | number | boolean>>;
  /**
   * The published JSON or text; absent if the event has bytes. `Data` is the reader's statement
   * about its form.
   */
  readonly data: Data;
  /** Bytes, in base64, when the published data is neither JSON nor text. */
  readonly data_base64?: string;
}

/**
 * A gap: the events after `from`, up to and including `to`, can no longer be delivered (PROTOCOL.md
 * section 2.3).
 */
export interface Gap {
  readonly from: string;
  readonly to: string;
  readonly reason: GapReason;
}

/** Each reason of a gap, with its text (PROTOCOL.md section 2.3). */
export const GAP_REASONS = {
  retention: 'retention removed them',
  epoch: 'they belong to an earlier log',
  corrupt: 'they are damaged on the disk of the hub',
  erased: 'they were erased, and copies of them should be too',
} as const;

export type GapReason = keyof typeof GAP_REASONS;

/** The answer to a poll (PROTOCOL.md section 5). */
export interface PollResponse<Data = unknown> {
  readonly events: readonly PolycastEvent<Data>[];
  /** The start of the next poll: its `after=`. */
  readonly cursor: string;
  readonly gaps: readonly Gap[];
  /** The hub has read a part of the log, and there is more of it: poll again immediately. */
  readonly more?: true;
}
