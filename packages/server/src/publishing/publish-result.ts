import { encodeCursor, formatTime } from '@polycast/protocol';
import { toClientError } from '../core/events/entity-tag.ts';
import type { PublishResult } from '../core/publish.ts';

/** A publish's result as JSON: the members of `201`, or the problem. */
export function resultJson(epoch: string, result: PublishResult): string {
  if (!result.ok) return `{"error":${JSON.stringify(toClientError(epoch, result.error).problem)}}`;
  const { position, channel, timeMs } = result;
  return `{"id":"${encodeCursor(epoch, position)}","channel":"${channel}","time":"${formatTime(timeMs)}"}`;
}

/** The results of the events of one line or envelope, as JSON. */
export function groupResultJson(epoch: string, results: readonly PublishResult[]): string {
  return `{"results":[${results.map((result) => resultJson(epoch, result)).join(',')}]}`;
}
