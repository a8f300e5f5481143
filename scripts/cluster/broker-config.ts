/** What one broker needs to know. All listen on 127.0.0.1. */
export interface BrokerConfig {
  readonly name: string;
  readonly ports: BrokerPorts;
  /** The folder of its streams. */
  readonly data: string;
  /** The room for all streams. */
  readonly fileBytesMax: string;
  /** Whether it writes a block to the disk before it confirms it. Default: true. */
  readonly syncAlways?: boolean;
  /** The others, as `127.0.0.1:4222`. Absent: it is the only one. */
  readonly routes?: readonly string[];
  /** Whether brokers know each other by their routes alone, and tell nobody of them. */
  readonly hasOwnNetwork?: boolean;
  /** Lines in addition. */
  readonly more?: string;
}

export interface BrokerPorts {
  readonly client: number;
  readonly route: number;
  readonly http: number;
}

/** The configuration of a `nats-server` with JetStream. */
export function brokerConfig(config: BrokerConfig): string {
  const { name, ports, data, fileBytesMax, syncAlways = true, routes, hasOwnNetwork = false, more = '' } = config;
  const sync = syncAlways ? ', sync_interval: always' : '';
  // Brokers tell each other the addresses of others, and would connect around the network
  // of a test.
  const gossip = hasOwnNetwork ? ', advertise: "127.0.0.1:1"' : '';
  const urls = routes?.map((host) => `nats-route://${host}`).join(', ');
  const cluster =
    urls === undefined
      ? ''
      : `cluster { name: polycast, listen: "127.0.0.1:${ports.route}", no_advertise: true${gossip}, routes: [${urls}] }`;
  return `server_name: ${name}
listen: "127.0.0.1:${ports.client}"
http: "127.0.0.1:${ports.http}"
jetstream { store_dir: "${data}", max_mem: 256MB, max_file: ${fileBytesMax}${sync} }
${more}
${cluster}
`;
}
