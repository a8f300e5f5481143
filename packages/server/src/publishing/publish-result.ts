import { encodeCursor, formatTime, PolycastError } from '@polycast/protocol';
import type { PublishResult } from '../core/publish.ts';
import type { Services } from '../http/services.ts';

/** A publish's result as JSON: the members of `201`, or the problem. */
export function resultJson(services: Services, result: PublishResult): string {
  if (!result.ok) return `{"error":${JSON.stringify(toClientError(services, result.error).problem)}}`;
  const { position, channel, timeMs } = result;
  return `{"id":"${encodeCursor(services.feed.epoch, position)}","channel":"${channel}","time":"${formatTime(timeMs)}"}`;
}

/** The results of the events of one line or envelope, as JSON. */
export function groupResultJson(services: Services, results: readonly PublishResult[]): string {
  return `{"results":[${results.map((result) => resultJson(services, result)).join(',')}]}`;
}

/** Replaces the position of a failed precondition by the cursor that would have matched. */
export function toClientError({ feed }: Services, error: PolycastError): PolycastError {
  const latest = error.extensions?.['latestPosition'];
  if (error.code !== 'precondition_failed' || typeof latest !== 'number') return error;
  return new PolycastError(error.code, undefined, { latest: latest === 0 ? null : encodeCursor(feed.epoch, latest) });
}
