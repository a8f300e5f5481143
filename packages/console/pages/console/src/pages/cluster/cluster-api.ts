/** A hub of `GET /v1/cluster`. What it has not said is null. */
export interface ClusterHub {
  /** Each start of a hub has another name. */
  readonly hub: string;
  readonly host: string;
  readonly address: string | null;
  readonly version: string;
  readonly level: number;
  readonly state: 'answers' | 'silent' | 'gone';
  readonly beatAgeMs: number;
  readonly ready: boolean | null;
  readonly why: string | null;
  readonly problems: readonly string[] | null;
  readonly head: number | null;
  readonly block: number;
  readonly behind: number;
  readonly hash: string;
  readonly sameData: boolean | null;
  readonly work: readonly ('subscriptions' | 'retention')[];
  readonly sessions: number | null;
  readonly uptimeSeconds: number | null;
}

export interface ClusterBroker {
  readonly name: string | null;
  readonly monitoring: string | null;
  readonly reachable: boolean;
  readonly leader: boolean;
  readonly replica: boolean;
  readonly missingBlocks: number | null;
  readonly version: string | null;
  readonly syncAlways: boolean | null;
  readonly syncIntervalMs: number | null;
  readonly storageBytes: number | null;
  readonly storageBytesMax: number | null;
}

/** `GET /v1/cluster`. */
export interface ClusterState {
  readonly name: string;
  /** The hub that answered. */
  readonly hub: string;
  readonly time: string;
  readonly level: number;
  readonly subscriptionOwner: string | null;
  readonly journalSilentMs: number;
  readonly unsafe: string | null;
  readonly hubs: readonly ClusterHub[];
  readonly brokers: readonly ClusterBroker[];
  readonly replicasWanted: number;
  readonly journal: {
    readonly first: number;
    readonly last: number;
    readonly blocks: number;
    readonly bytes: number;
    readonly oldest: string | null;
    readonly replicas: number;
    readonly leader: string | null;
  } | null;
  readonly snapshots:
    | readonly { readonly block: number; readonly bytes: number; readonly stored: string | null }[]
    | null;
}

/**
 * A hub in words. Where several hubs are on one machine, its address or its name tells them apart.
 */
export function hubWords({ hub, host, address }: ClusterHub, { hubs }: ClusterState): string {
  const isAlone = hubs.every((each) => each.hub === hub || each.host !== host);
  return isAlone ? `The hub on ${host}` : `The hub ${address ?? hub} on ${host}`;
}

export function brokerWords({ name, monitoring }: ClusterBroker): string {
  return name === null ? `The broker at ${monitoring ?? 'an unknown address'}` : `The broker ${name}`;
}

/** The brokers with a replica of the journal; all of them while no broker says who has one. */
export function replicaBrokers({ brokers }: Pick<ClusterState, 'brokers'>): readonly ClusterBroker[] {
  const holders = brokers.filter(({ replica }) => replica);
  return holders.length > 0 ? holders : brokers;
}
