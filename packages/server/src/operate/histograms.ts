import type { HistogramDefinition } from './metric-definition.ts';

/** From microseconds, for disks that answer immediately, to seconds, for disks that hang. */
const DISK_BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];
/** The times of events are whole milliseconds, so smaller buckets would tell nothing. */
const DELIVERY_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Up to the longest timeout of an endpoint (`subscriptions.timeoutMaxMs`). */
const WEBHOOK_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60];
const EVENT_LOOP_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** The histograms of a hub. */
export const HISTOGRAMS = {
  publishToDurable: {
    name: 'polycast_publish_to_durable_seconds',
    help: 'Time from an append until the event is durable, as the publisher waits for it.',
    bucketsSeconds: DISK_BUCKETS_SECONDS,
  },
  publishToWrite: {
    name: 'polycast_publish_to_write_seconds',
    help: 'Time from the acceptance of an event to the end of its writes to live readers.',
    bucketsSeconds: DELIVERY_BUCKETS_SECONDS,
  },
  webhook: {
    name: 'polycast_webhook_duration_seconds',
    help: 'Time from the start of a request to an endpoint to the end of its answer, or to its failure.',
    bucketsSeconds: WEBHOOK_BUCKETS_SECONDS,
  },
  eventLoopDelay: {
    name: 'polycast_event_loop_delay_seconds',
    help: 'How late a timer of the event loop runs: the time that other work waits for its turn.',
    bucketsSeconds: EVENT_LOOP_BUCKETS_SECONDS,
  },
} as const satisfies Readonly<Record<string, HistogramDefinition>>;

export type HistogramName = keyof typeof HISTOGRAMS;
