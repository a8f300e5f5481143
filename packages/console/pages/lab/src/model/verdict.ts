import type { Tally } from './tally.ts';
import { bytesText, countText, durationText } from './words.ts';

/** A sentence about one lane's numbers, made of nothing but those numbers. */
export function verdict(title: string, tally: Tally): string {
  if (tally.medianDelayMs === undefined) return `${title} saw nothing.`;
  const asked =
    tally.wasted === 0
      ? `${countText(tally.requests, 'request')}, none wasted`
      : `${countText(tally.requests, 'request')}, ${tally.wasted} of them for nothing`;
  const lost =
    tally.lost === 0 ? '' : ` It was told that ${countText(tally.lost, 'event')} could not be delivered any more.`;
  return `${title} knew ${durationText(tally.medianDelayMs)} after the kitchen, with ${asked}, and ${bytesText(tally.bytesUp + tally.bytesDown)}.${lost}`;
}
