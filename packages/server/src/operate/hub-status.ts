import { TRANSPORTS } from '@polycast/protocol';
import * as z from 'zod';
import { count, cursor, named, text, time, user } from '../http/openapi/schemas.ts';

/**
 * The status of a hub: its state, its load and its limits at one moment. `polycast status`, `top`
 * and `doctor` show it. Example: `{"ready":true,"uptimeSeconds":61,"sessions":{"sse":2,…},…}`.
 * Counts rise from the start of the hub, so two statuses give a rate.
 */
export const hubStatus = named('HubStatus', () =>
  z.object({
    ready: z.boolean().describe('Whether the hub accepts work, as `/readyz` says.'),
    why: text({ examples: ['draining'] })
      .nullable()
      .describe('The reason while it is not ready.'),
    problems: z
      .array(text({ examples: ['log_damaged'] }))
      .describe('Problems that an operator should look at, as in `/healthz`.'),
    version: text({ examples: ['1.0.0'] }),
    nodeVersion: text({ examples: ['26.10.0'] }),
    sqliteVersion: text({ examples: ['3.50.4'] }),
    time: time('The clock of the hub.'),
    started: time('The start of the hub.'),
    uptimeSeconds: count(),
    process: processStatus(),
    log: logStatus(),
    storage: storageStatus(),
    published: publishStatus(),
    delivered: byTransport('Events written to consumers since the start.'),
    sessions: byTransport('Live sessions and polls in progress.'),
    latency: latencyStatus(),
    readers: readerStatus(),
    subscriptions: subscriptionStatus(),
    webhooks: webhookStatus(),
    limits: z.object({
      connectionsMax: count('Connections of the hub: `connectionsMaxPerProcess` of each process.'),
      connectionsMaxPerProcess: count('`limits.connectionsMax`, or what the limit of open files has room for.'),
      connectionsMaxConfigured: count('`limits.connectionsMax`.'),
      channelsMax: count('Beyond it, the hub refuses events of new channels.'),
      trustedProxies: count('Entries of `trustedProxies`.'),
    }),
    certificate: z.object({ expires: time() }).nullable().describe('The certificate in use; null without TLS.'),
    caller: callerStatus(),
    cluster: hubInCluster().optional(),
    processes: z.array(processInHub()).optional().describe('The processes of a hub of several, the owner first.'),
    processesSilent: z
      .array(count())
      .optional()
      .describe('Process ids of followers that did not answer in time. All sums lack their work.'),
  }),
);

/**
 * The hub of a cluster that gives an answer about itself alone.
 * Example: the status of hub A, one of three, has the sessions of A.
 */
export const hubInCluster = named('HubInCluster', () =>
  z.object({
    name: text({ examples: ['shop'] }).describe('The name of the cluster.'),
    hub: text({ examples: ['mwrt5b936aec0a14ceb0'] }).describe('The hub that answers. The answer is about it alone.'),
    host: text({ examples: ['one'] }).describe('The name of its machine.'),
    hubs: count('The hubs that run, as this one hears.'),
  }),
);

export type HubInCluster = z.infer<ReturnType<typeof hubInCluster>>;

/** Entries of `readers.slowest`. */
export const SLOWEST_MAX = 10;

export type HubStatus = z.infer<ReturnType<typeof hubStatus>>;

/** What the hub knows about the request for its status. A proxy on the way can change it. */
export type CallerStatus = HubStatus['caller'];

function processStatus() {
  return z.object({
    pid: count(),
    residentBytes: count(),
    heapBytes: count(),
    cpuSeconds: z.number().describe('Processor time since the start.'),
    openFiles: count('Open files and sockets; null where the system does not tell.').nullable(),
    openFilesMax: count('The limit of open files; null where the system does not tell.').nullable(),
  });
}

function processInHub() {
  return processStatus().extend({
    role: z.enum(['owner', 'follower']).describe('The owner writes the data.'),
    uptimeSeconds: count(),
    eventLoopDelay: distribution('How late a timer of its event loop runs.'),
  });
}

function logStatus() {
  return z.object({
    epoch: text({ examples: ['0t24qj92dx'] }),
    head: count('The position of the newest event.'),
    cursor: cursor().describe('The cursor of the newest event.'),
    events: count('Stored events.'),
    channels: count(),
    damagedRanges: count('Ranges of damaged events.'),
    queueBytes: count('Bytes of accepted events that are not durable yet.'),
    queueBytesMax: count('`limits.appendQueueBytesMax`.'),
  });
}

function storageStatus() {
  return z.object({
    folder: text({ examples: ['/var/lib/polycast'] })
      .nullable()
      .describe('The data folder; null for data in memory.'),
    databaseBytes: count('Bytes of the log on disk.'),
    freeBytes: count('Free space of its file system.').nullable(),
    sizeBytes: count('Size of its file system.').nullable(),
  });
}

function publishStatus() {
  return z.object({
    events: count('Events that became durable.'),
    bytes: count(),
    refused: count('Refused publishes.'),
    failed: count('Publishes that the log could not store.'),
  });
}

function byTransport(description: string) {
  return z.record(z.enum(TRANSPORTS), count()).meta({
    description,
    examples: [Object.fromEntries(TRANSPORTS.map((name) => [name, 0]))],
  });
}

function latencyStatus() {
  return z
    .object({
      publishToDurable: distribution('From an append until the event is durable.'),
      publishToWrite: distribution('From the acceptance of an event to the end of its writes to live readers.'),
      webhook: distribution('From the start of a request to an endpoint to the end of its answer.'),
      eventLoopDelay: distribution('How late a timer of the event loop runs.'),
    })
    .describe('Distributions of durations since the start.');
}

function distribution(description: string) {
  return z
    .object({
      bucketsSeconds: z.array(z.number()).describe('The upper bounds of the buckets.'),
      counts: z.array(count()).describe('The number of durations up to each bound; the last is that of all.'),
    })
    .meta({ description, examples: [{ bucketsSeconds: [0.001, 1], counts: [10, 12, 12] }] });
}

function readerStatus() {
  return z.object({
    count: count('Consumers that read from the log.'),
    lagEventsMax: count('Positions from the slowest of them to the head.'),
    slowest: z
      .array(
        z.object({
          session: text({ examples: ['bdFzc0ZqR3Jm'] }),
          transport: z.enum(TRANSPORTS),
          user: user().nullable(),
          address: text({ examples: ['203.0.113.7'] }),
          channels: z.array(text({ examples: ['orders.>'] })).describe('The first of them.'),
          lagEvents: count(),
          since: time(),
        }),
      )
      .describe('At most ten sessions that are behind, the slowest first.'),
  });
}

function subscriptionStatus() {
  return z.object({
    states: z
      .record(z.string(), z.object({ count: count(), lagEventsMax: count(), lagSecondsMax: z.number() }))
      .meta({ examples: [{ active: { count: 3, lagEventsMax: 0, lagSecondsMax: 0 } }] })
      .describe('By state: the number of subscriptions, and the greatest lag.'),
    failing: z
      .array(
        z.object({
          id: text({ examples: ['sub_8Fj2kQ'] }),
          state: text({ examples: ['active'] }),
          url: text({ examples: ['https://shop.example/hook'] }).nullable(),
          since: time('Since when every delivery has failed, or the state holds.'),
          lagEvents: count(),
        }),
      )
      .describe('At most ten subscriptions whose deliveries fail, or that are suspended.'),
    deadLetters: count('Events that became dead letters since the start.'),
  });
}

function webhookStatus() {
  return z.object({
    requests: z
      .record(z.string(), count())
      .meta({ examples: [{ delivered: 120, status: 2 }] })
      .describe('By outcome, since the start.'),
    events: count('Delivered events.'),
    retries: count(),
    inFlight: count(),
    waiting: count('Requests that wait for a connection.'),
  });
}

function callerStatus() {
  return z
    .object({
      address: text({ examples: ['203.0.113.7'] }).describe('The address of the caller, as the hub sees it.'),
      forwarded: z.boolean().describe('A proxy has added an address, in `X-Forwarded-For` or `Forwarded`.'),
      encrypted: z.boolean().describe('The last step to the hub uses TLS.'),
    })
    .describe('The request for this status. `polycast doctor` compares it with and without a proxy.');
}
