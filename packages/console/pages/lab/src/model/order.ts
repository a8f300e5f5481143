import type { LaneName } from './records.ts';
import { STEPS } from './steps.ts';

/**
 * A state of the pizza that the kitchen has published. Times are milliseconds since 1970 by the
 * page's clock.
 */
export interface Publication {
  /** 1 to 7. */
  readonly step: number;
  /** The time at which the accepted request left the browser. */
  readonly sentAtMs: number;
  /** The time of its `201`; undefined while it is in flight. */
  acceptedAtMs: number | undefined;
  /** Failed requests before it, while the hub was down. */
  readonly retries: number;
}

/** A lane's code has received an event. */
export interface ReceivedStep {
  readonly step: number;
  readonly receivedAtMs: number;
}

export interface LaneResult {
  readonly received: ReceivedStep[];
  readonly gaps: { readonly reason: string; readonly atMs: number }[];
  /** Duplicate events: always 0, unless the hub has a fault. */
  duplicates: number;
}

export interface Order {
  readonly number: string;
  readonly channel: string;
  readonly startedAtMs: number;
  readonly publications: Publication[];
  readonly results: Readonly<Record<LaneName, LaneResult>>;
  /** Lanes that could not start. */
  readonly failed: Set<LaneName>;
  endedAtMs: number | undefined;
}

export function createOrder(number: string, channel: string, startedAtMs: number): Order {
  const results = {
    'short-poll': emptyResult(),
    'long-poll': emptyResult(),
    sse: emptyResult(),
    websocket: emptyResult(),
    webhook: emptyResult(),
  };
  return { number, channel, startedAtMs, publications: [], results, failed: new Set(), endedAtMs: undefined };
}

export function recordReceived(order: Order, lane: LaneName, step: number, receivedAtMs: number): void {
  const view = order.results[lane];
  if (step === 0) return;
  if (view.received.some((sighting) => sighting.step === step)) view.duplicates++;
  else view.received.push({ step, receivedAtMs });
}

/** The last step that a lane has received; 0 without any. */
export function lastStep(view: LaneResult): number {
  return Math.max(0, ...view.received.map(({ step }) => step));
}

/**
 * The delay from publish to arrival in milliseconds, for each event of the lane. It is never below
 * 0, because one clock measures both.
 */
export function delaysMs(order: Order, lane: LaneName): number[] {
  const sentAtMs = new Map(order.publications.map((publication) => [publication.step, publication.sentAtMs]));
  return order.results[lane].received.flatMap(({ step, receivedAtMs }) => {
    const sent = sentAtMs.get(step);
    return sent === undefined ? [] : [Math.max(0, receivedAtMs - sent)];
  });
}

/** Whether the last step has arrived. */
export function isComplete(view: LaneResult): boolean {
  return lastStep(view) === STEPS.length;
}

function emptyResult(): LaneResult {
  return { received: [], gaps: [], duplicates: 0 };
}
