import type { StoredRecord } from '../core/ports.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type { Attempt, SendRequest, Sent } from '../core/subscription/ports.ts';
import type { Progress } from '../core/subscription/progress.ts';
import { isGap } from './gap.ts';
import type { Line } from './line.ts';
import type { Judgement } from './webhook/outcome.ts';

/** A request under way. */
export interface Flight {
  readonly line: Line;
  readonly progress: Progress;
  /** One, or those that share the request. */
  readonly lanes: readonly Lane[];
  /** What it carries, in the order of the log. */
  readonly records: readonly StoredRecord[];
  readonly request: SendRequest;
  readonly begunMs: number;
  readonly isDoubtful: boolean;
  readonly isProbe: boolean;
}

/** What is kept of a request that has come back; to be asked for before its lanes move on. */
export function attemptOf(
  { line, lanes, records, request, begunMs }: Flight,
  epoch: string,
  number: number,
  sent: Sent,
  { outcome }: Judgement,
): Attempt {
  // A gap stands at no event's place.
  const events = records.filter((record) => !isGap(record));
  const [position = 0, ...others] = events.map((record) => record.position);
  return {
    subscription: line.root.id,
    number,
    epoch,
    position,
    others,
    isGap: events.length < records.length,
    count: records.length,
    attempt: Math.max(...lanes.map(({ attempts }) => attempts)),
    startedMs: begunMs,
    outcome,
    request: { url: request.url, headers: request.headers, bodyBytes: request.body?.length ?? 0 },
    answer: sent.isInside ? undefined : sent.answer,
    timing: sent.timing,
    detail: sent.detail,
  };
}
