/** What each lane's code is given. The lanes use nothing but what a browser brings along. */
export interface LaneContext {
  /**
   * The hub's address with the channel, as this lane reaches it:
   * `http://127.0.0.1:4001/v1/events?channel=…`.
   */
  readonly url: string;
  /**
   * The channel alone, and what a webhook is to be signed with: for the lane in which the hub
   * calls.
   */
  readonly channel: string;
  readonly secret: string;
  onEvent(event: LabEvent): void;
  onGap(gap: LabGap): void;
  /** How long a short poll waits between two requests, milliseconds; it may change at any time. */
  intervalMs(): number;
  /** How long a long poll may be held, whole seconds; it may change at any time. */
  waitSeconds(): number;
  /** Resolves after this many milliseconds; never, once the watch is over. */
  pause(milliseconds: number): Promise<void>;
  /** Aborted when the order is done. */
  readonly signal: AbortSignal;
}

export type Transport = (watch: LaneContext) => void | Promise<void>;

export interface LabEvent {
  readonly id: string;
  readonly time: string;
  readonly data: { readonly order: string; readonly step: string };
}

export interface LabGap {
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}
