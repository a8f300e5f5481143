import type { ErrorCode, Problem } from '@polycast/protocol';

/**
 * A refusal by the hub, with a code of its catalogue, or an error of the client with the same
 * codes. It is the hub's PolycastError without the catalogue of titles, which would be an eighth of
 * this client: titles come with the problem.
 */
export class PolycastError extends Error {
  override readonly name = 'PolycastError';
  /**
   * `closed`: the application closed the connection or the subscription. All other codes are the
   * hub's.
   */
  declare readonly code: ErrorCode | 'closed';
  /** The particulars of this case, for people. */
  declare readonly detail: string | undefined;
  /** The rule that refused: `rule 2 (orders.>)`. The hub sends it to servers only. */
  declare readonly rule: string | undefined;
  /** The problem document as the hub sent it (PROTOCOL.md section 9.1). */
  declare readonly problem: Problem;

  /** @param options `cause`: the error that the application threw */
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail ?? problem.title, options);
    this.code = problem.code;
    this.detail = problem.detail;
    this.rule = problem['rule'] as string | undefined;
    this.problem = problem;
  }
}

/** The error of operations that are unfinished when the application closes. */
export function closedError(): PolycastError {
  return new PolycastError(closedProblem());
}

export function closedProblem(): Problem {
  return clientProblem('closed', 'Closed.');
}

/**
 * A problem that the client makes itself. Without a `type` it is `about:blank` (RFC 9457, section
 * 4.2.1), and it has no status.
 */
export function clientProblem(code: PolycastError['code'], title: string, retryable = false): Problem {
  return { code, title, retryable } as Problem;
}

/** Whether the hub refuses the credentials themselves, and not a channel. */
export function refusesToken({ code, channel }: Problem): boolean {
  return !channel && (code === 'token_expired' || code === 'unauthorized');
}

/**
 * Whether the hub refuses every request of this client: because of its credentials, or the origin
 * of its page.
 */
export function refusesPrincipal(problem: Problem): boolean {
  return refusesToken(problem) || problem.code === 'origin_not_allowed';
}
