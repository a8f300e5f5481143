/**
 * The state of a cluster, as one of its hubs sees it. The other hubs say something of themselves
 * once a second, and the brokers answer now. Example: hub B is 12 blocks behind the journal, and
 * the broker n3 does not answer.
 */
export interface ClusterState {
  /** The hub that looks, and the others that were heard within the last hour. */
  readonly own: SeenHub;
  readonly others: readonly SeenHub[];
  /** The newest block that this hub has heard of. */
  readonly newestBlock: number;
  /** How long this hub has not heard the journal. */
  readonly silentMs: number;
  readonly replicasWanted: number;
  /** Why confirmed events may be lost. */
  readonly unsafe: string | undefined;
  readonly brokers: readonly SeenBroker[];
  /** `undefined`: no broker answered for it in time. */
  readonly journal: SeenJournal | undefined;
  /** The newest first. `undefined`: no broker answered for them in time. */
  readonly snapshots: readonly SeenSnapshot[] | undefined;
}

/** What a hub has said in its last beat. */
export interface SeenHub {
  readonly hub: string;
  /** The name of its machine. */
  readonly host: string;
  readonly version: string;
  readonly level: number;
  /** The newest block that its view has applied, and the hash of its data there. */
  readonly block: number;
  readonly hash: number;
  /**
   * Whether its data is that of the hub that looks.
   * `undefined`: they were not at the same block yet.
   */
  readonly hasSameData: boolean | undefined;
  /** The hub that works on subscriptions, as this one knows it. Empty: none. */
  readonly subscriptionOwner: string;
  /** The time since its last beat. */
  readonly silentMs: number;
  /** Whether its beats have ended, and no later hub of its machine has replaced it. */
  readonly isGone: boolean;
}

export interface SeenBroker {
  /** `undefined` before it has answered once. */
  readonly name: string | undefined;
  /** The host and port where it is asked. `undefined`: the configuration has none for it. */
  readonly monitoring: string | undefined;
  readonly isReachable: boolean;
  readonly isLeader: boolean;
  /** Whether it holds a replica of the journal. */
  readonly isReplica: boolean;
  /** The blocks that its replica lacks. `undefined`: unknown, or it has none. */
  readonly missingBlocks: number | undefined;
  /** What it says of itself. `undefined`: it does not answer. */
  readonly details: BrokerDetails | undefined;
}

export interface BrokerDetails {
  readonly version: string;
  /** Whether it syncs before it answers. */
  readonly syncAlways: boolean;
  /** The interval of its syncs if it does not. */
  readonly syncIntervalMs: number;
  /** What JetStream stores on its disk, and may store. */
  readonly storageBytes: number;
  readonly storageBytesMax: number;
}

export interface SeenJournal {
  readonly first: number;
  readonly last: number;
  readonly blocks: number;
  readonly bytes: number;
  /** The time of the oldest block, RFC 3339. `undefined`: it has none. */
  readonly oldest: string | undefined;
  readonly replicas: number;
  /** `undefined` while the brokers elect one. */
  readonly leader: string | undefined;
}

export interface SeenSnapshot {
  readonly block: number;
  readonly bytes: number;
  /** RFC 3339. */
  readonly stored: string | undefined;
}

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

/**
 * Why a hub of a cluster is not ready. `cluster_unsafe`: its brokers may lose confirmed events.
 * `cluster_silent`: it hears nothing of the journal. `cluster_upgrade_needed`: the journal has a
 * block that this version does not know.
 */
export type ClusterNotReady = 'cluster_unsafe' | 'cluster_silent' | 'cluster_upgrade_needed';

/** The other hubs that share the log. Questions and answers are JSON. */
export interface OtherHubs {
  /** The name of this hub: `polycast cluster status` shows it. */
  readonly self: string;
  /** The others that run now. */
  readonly names: readonly string[];
  /**
   * Asks each of them. `silentHubs`: those that did not answer in time, and `silent`: their names.
   * The default are two seconds.
   */
  ask<Answer>(
    question: object,
    timeoutMs?: number,
  ): Promise<{ readonly answers: readonly Answer[]; readonly silentHubs: number; readonly silent: readonly string[] }>;
  /**
   * Calls the listener with each question of another hub. Of several listeners, the first one that
   * returns something answers. It may return a promise.
   */
  onAsked(listener: (question: unknown) => unknown): void;
}
