import type { ErrorCode, Problem } from '@polycast/protocol';

/**
 * What the hub refused, by a code of its catalogue, or what the client itself gives up with by the same codes. It is the
 * hub's PolycastError without the catalogue of titles, which would be an eighth of this client: they come with the problem.
 */
export class PolycastError extends Error {
  override readonly name = 'PolycastError';
  /** `closed`: the application has closed the connection, or the subscription. All others are the hub's. */
  declare readonly code: ErrorCode | 'closed';
  /** What is particular to this case, for people. */
  declare readonly detail: string | undefined;
  /** Which rule refused: `rule 2 (orders.>)`. The hub tells that to servers alone. */
  declare readonly rule: string | undefined;
  /** As the hub told it (PROTOCOL.md section 9.1). */
  declare readonly problem: Problem;

  /** @param options `cause`: what the application threw */
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail ?? problem.title, options);
    this.code = problem.code;
    this.detail = problem.detail;
    this.rule = problem['rule'] as string | undefined;
    this.problem = problem;
  }
}

/** What is left undone when the application closes. */
export function closedError(): PolycastError {
  return new PolycastError(closedProblem());
}

export function closedProblem(): Problem {
  return clientProblem('closed', 'Closed.');
}

/** A refusal that no hub has put into words: without a `type` it is `about:blank` (RFC 9457, section 4.2.1), and it has no status. */
export function clientProblem(code: PolycastError['code'], title: string, retryable = false): Problem {
  return { code, title, retryable } as Problem;
}

/** Whether it is the credentials themselves that are refused, and not a channel that was asked for with them. */
export function refusesToken({ code, channel }: Problem): boolean {
  return channel === undefined && (code === 'token_expired' || code === 'unauthorized');
}

/** Whether it is whoever asks that is refused, whatever they ask: by their credentials, or as a page of this origin. */
export function refusesPrincipal(problem: Problem): boolean {
  return refusesToken(problem) || problem.code === 'origin_not_allowed';
}
