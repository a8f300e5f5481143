import type { Lane } from '../core/subscription/lane.ts';
import type { Attempt, SendRequest, Sent } from '../core/subscription/ports.ts';
import type { Progress } from '../core/subscription/progress.ts';
import type { Line } from './line.ts';
import type { Judgement } from './webhook/outcome.ts';

/** A request under way. */
export interface Flight {
  readonly line: Line;
  readonly progress: Progress;
  /** One, or those that share the request. */
  readonly lanes: readonly Lane[];
  readonly request: SendRequest;
  readonly begunMs: number;
  readonly isDoubtful: boolean;
  readonly isProbe: boolean;
}

/** What is kept of a request that has come back; to be asked for before its lanes move on. */
export function attemptOf(
  { line, lanes, request, begunMs }: Flight,
  number: number,
  sent: Sent,
  { outcome }: Judgement,
): Attempt {
  let position = Infinity;
  let count = 0;
  let attempt = 0;
  for (const lane of lanes) {
    position = Math.min(position, lane.position);
    count += lane.span;
    attempt = Math.max(attempt, lane.attempts);
  }
  return {
    subscription: line.root.id,
    number,
    position,
    count,
    attempt,
    startedMs: begunMs,
    outcome,
    request: { url: request.url, headers: request.headers, bodyBytes: request.body?.length ?? 0 },
    answer: sent.isInside ? undefined : sent.answer,
    timing: sent.timing,
    detail: sent.detail,
  };
}
