import * as z from 'zod';
import { count, named, text, time } from '../http/openapi/schemas.ts';

/**
 * The state of a cluster, as the hub that answers sees it: what hubs and brokers say at this
 * moment. What it does not know is null.
 * Example: `{"name":"shop","hubs":[{"host":"one","behind":0,…},…],…}`.
 */
export const clusterSchema = named('Cluster', () =>
  z.object({
    name: text({ examples: ['shop'] }).describe('The name of the cluster.'),
    hub: hubName().describe('The hub that answers.'),
    time: time('The clock of the hub that answers.'),
    level: count('The newest kind of block that the hub that answers writes.'),
    subscriptionOwner: hubName().nullable().describe('The hub that works on subscriptions; null while there is none.'),
    journalSilentMs: count('How long the hub that answers has not heard the journal.'),
    unsafe: text({ examples: ['the brokers n2 do not have `sync_interval: always`'] })
      .nullable()
      .describe('Why confirmed events may be lost; null if they are safe.'),
    hubs: z.array(hubSchema()).describe('The hubs that run, and those that have not been heard for up to an hour.'),
    brokers: z
      .array(brokerSchema())
      .describe('The brokers of `cluster.monitoring`, and others with a replica of the journal.'),
    replicasWanted: count('`cluster.replicas`.'),
    journal: journalSchema().nullable().describe('Null: no broker answers for it, for example during an election.'),
    snapshots: z.array(snapshotSchema()).nullable().describe('The newest first. Null: no broker answers for them.'),
  }),
);

export type ClusterAnswer = z.infer<ReturnType<typeof clusterSchema>>;

function hubSchema() {
  return z.object({
    hub: hubName().describe('Each start of a hub has a name of its own.'),
    host: text({ examples: ['one'] }).describe('The name of its machine.'),
    address: text({ examples: ['http://10.0.0.1:7400'] })
      .nullable()
      .describe('Where it listens, as its own machine reaches it.'),
    version: text({ examples: ['1.0.0'] }),
    level: count('The newest kind of block that it applies.'),
    state: z
      .enum(['answers', 'silent', 'gone'])
      .describe(
        '`answers`: now. `silent`: it was heard within five seconds, and did not answer. `gone`: it is not heard any more, and none has started on its machine since.',
      ),
    beatAgeMs: count('The time since its last beat. A hub beats once a second. 0 for the hub that answers.'),
    ready: z.boolean().nullable().describe('What its `/readyz` says.'),
    why: text({ examples: ['cluster_silent'] })
      .nullable()
      .describe('The reason while it is not ready.'),
    problems: z
      .array(text({ examples: ['cluster_view_differs'] }))
      .nullable()
      .describe('What its `/healthz` says.'),
    head: count('The position of its newest event.').nullable(),
    block: count('The newest block of the journal that it has applied, as it answers, or as its last beat said.'),
    behind: count('The blocks from there to the end of the journal.'),
    hash: text({ examples: ['72ec7ec9'] }).describe('The hash of its data at the block of its last beat.'),
    sameData: z
      .boolean()
      .nullable()
      .describe(
        'Whether its data was equal to that of the hub that answers, at the same block. Null: not compared yet.',
      ),
    work: z
      .array(z.enum(['subscriptions', 'retention']))
      .describe(
        'The work that it does for all hubs. `subscriptions`: it delivers, and erases. `retention`: it removes old events, takes snapshots and announces presence.',
      ),
    sessions: count('Live sessions and polls in progress.').nullable(),
    uptimeSeconds: count().nullable(),
  });
}

function brokerSchema() {
  return z.object({
    name: text({ examples: ['n1'] })
      .nullable()
      .describe('Null before it has answered once.'),
    monitoring: text({ examples: ['10.0.0.1:8222'] })
      .nullable()
      .describe('The host and port where it is asked. Null: `cluster.monitoring` has none for it.'),
    reachable: z.boolean().describe('Whether it answers there; without such a port, what the other brokers say.'),
    leader: z.boolean().describe('Whether it leads the journal.'),
    replica: z.boolean().describe('Whether it holds a replica of the journal.'),
    missingBlocks: count('The blocks that its replica lacks.').nullable(),
    version: text({ examples: ['2.12.0'] }).nullable(),
    syncAlways: z.boolean().nullable().describe('Whether it syncs before it answers: `sync_interval: always`.'),
    syncIntervalMs: z.number().nullable().describe('The interval of its syncs if it does not.'),
    storageBytes: count('Bytes that JetStream has on its disk.').nullable(),
    storageBytesMax: count('Bytes that JetStream may have there: `max_file_store`.').nullable(),
  });
}

function journalSchema() {
  return z.object({
    first: count('The oldest block.'),
    last: count('The newest block.'),
    blocks: count(),
    bytes: count(),
    oldest: time('The time of the oldest block.').nullable(),
    replicas: count(),
    leader: text({ examples: ['n1'] })
      .nullable()
      .describe('Null while the brokers elect one, and for one broker without a cluster.'),
  });
}

function snapshotSchema() {
  return z.object({ block: count('The newest block in it.'), bytes: count(), stored: time().nullable() });
}

function hubName() {
  return text({ examples: ['mwrt5b936aec0a14ceb0'] });
}
