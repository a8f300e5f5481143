/** What a hub of a cluster says of itself when another one asks for the state of the cluster. */
export interface HubSelf {
  readonly hub: string;
  /** Where it listens, as its own machine reaches it. */
  readonly address: string;
  readonly ready: boolean;
  readonly why: string | null;
  readonly problems: readonly string[];
  /** The newest block of the journal that it has applied. */
  readonly block: number;
  /** The position of its newest event. */
  readonly head: number;
  readonly sessions: number;
  readonly uptimeSeconds: number;
}
