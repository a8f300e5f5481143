import type { LaneName } from './records.ts';
import { STEPS } from './steps.ts';

/** A state of the pizza that the kitchen has published. Times are milliseconds since 1970 by the page's clock. */
export interface Publication {
  /** 1 to 7. */
  readonly step: number;
  /** When the request that was accepted left the browser. */
  readonly sentAtMs: number;
  /** When its `201` was there; undefined while it is under way. */
  acceptedAtMs: number | undefined;
  /** Requests that failed before, while the hub was away. */
  readonly retries: number;
}

/** A lane's code has got an event. */
export interface Sighting {
  readonly step: number;
  readonly seenAtMs: number;
}

export interface LaneView {
  readonly sightings: Sighting[];
  readonly gaps: { readonly reason: string; readonly atMs: number }[];
  /** Events that came a second time: always 0, or the hub has a fault. */
  duplicates: number;
}

export interface Order {
  readonly number: string;
  readonly channel: string;
  readonly startedAtMs: number;
  readonly publications: Publication[];
  readonly views: Readonly<Record<LaneName, LaneView>>;
  /** Lanes that could not even begin. */
  readonly failed: Set<LaneName>;
  endedAtMs: number | undefined;
}

export function createOrder(number: string, channel: string, startedAtMs: number): Order {
  const views = {
    'short-poll': emptyView(),
    'long-poll': emptyView(),
    sse: emptyView(),
    websocket: emptyView(),
    webhook: emptyView(),
  };
  return { number, channel, startedAtMs, publications: [], views, failed: new Set(), endedAtMs: undefined };
}

export function see(order: Order, lane: LaneName, step: number, seenAtMs: number): void {
  const view = order.views[lane];
  if (step === 0) return;
  if (view.sightings.some((sighting) => sighting.step === step)) view.duplicates++;
  else view.sightings.push({ step, seenAtMs });
}

/** The last step that a lane knows of; 0 when none. */
export function known(view: LaneView): number {
  return Math.max(0, ...view.sightings.map(({ step }) => step));
}

/** Publish to seen, milliseconds, for each event that the lane has seen. Never below 0: both are one clock's. */
export function delaysMs(order: Order, lane: LaneName): number[] {
  const sentAtMs = new Map(order.publications.map((publication) => [publication.step, publication.sentAtMs]));
  return order.views[lane].sightings.flatMap(({ step, seenAtMs }) => {
    const sent = sentAtMs.get(step);
    return sent === undefined ? [] : [Math.max(0, seenAtMs - sent)];
  });
}

/** Whether the last step has been seen. */
export function isServed(view: LaneView): boolean {
  return known(view) === STEPS.length;
}

function emptyView(): LaneView {
  return { sightings: [], gaps: [], duplicates: 0 };
}
