import type { LaneStats } from './lane-stats.ts';
import { bytesText, countText, durationText } from './format.ts';

/** A sentence about one lane that contains only its numbers. */
export function summaryOf(title: string, stats: LaneStats): string {
  if (stats.medianDelayMs === undefined) return `${title} received no events.`;
  const requestsText =
    stats.wasted === 0
      ? `${countText(stats.requests, 'request')}, none wasted`
      : `${countText(stats.requests, 'request')}, ${stats.wasted} of them without an event`;
  const lost = stats.lost === 0 ? '' : ` A gap reported ${countText(stats.lost, 'event')} that could not be delivered.`;
  return `${title} received events with a delay of ${durationText(stats.medianDelayMs)} (median), with ${requestsText}, and ${bytesText(stats.bytesUp + stats.bytesDown)}.${lost}`;
}
