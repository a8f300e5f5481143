import type { LaneStats } from './lane-stats.ts';
import { bytesText, countText, durationText } from './format.ts';

/** A sentence about one lane's numbers, made of nothing but those numbers. */
export function summaryOf(title: string, stats: LaneStats): string {
  if (stats.medianDelayMs === undefined) return `${title} saw nothing.`;
  const requestsText =
    stats.wasted === 0
      ? `${countText(stats.requests, 'request')}, none wasted`
      : `${countText(stats.requests, 'request')}, ${stats.wasted} of them for nothing`;
  const lost =
    stats.lost === 0 ? '' : ` It was told that ${countText(stats.lost, 'event')} could not be delivered any more.`;
  return `${title} knew ${durationText(stats.medianDelayMs)} after the kitchen, with ${requestsText}, and ${bytesText(stats.bytesUp + stats.bytesDown)}.${lost}`;
}
