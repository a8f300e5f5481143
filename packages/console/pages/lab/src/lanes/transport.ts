/** The arguments of each lane's code. The lanes use only the functions of a browser. */
export interface LaneContext {
  /**
   * The hub's URL with the channel, through this lane's proxy:
   * `http://127.0.0.1:4001/v1/events?channel=…`.
   */
  readonly url: string;
  /** The channel, and the secret for signatures: for the lane in which the hub sends requests. */
  readonly channel: string;
  readonly secret: string;
  onEvent(event: LabEvent): void;
  onGap(gap: LabGap): void;
  /** The interval of a short poll in milliseconds; it may change at any time. */
  intervalMs(): number;
  /** The longest wait of a long poll in whole seconds; it may change at any time. */
  waitSeconds(): number;
  /** Resolves after a number of milliseconds; never resolves once the order is done. */
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
