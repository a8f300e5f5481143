import type { ErrorCode, Problem } from '@polycast/protocol';

/**
 * What the hub refused, by a code of its catalogue, or what the client itself gives up with by the same codes. It is the
 * hub's PolycastError without the catalogue of titles, which would be an eighth of this client: they come with the problem.
 */
export class PolycastError extends Error {
  override readonly name = 'PolycastError';
  readonly code: ErrorCode;
  /** What is particular to this case, for people. */
  readonly detail: string | undefined;
  /** Which rule refused, where one did: `rule 2 (orders.>)`. */
  readonly rule: string | undefined;
  /** As the hub told it (PROTOCOL.md section 9.1). */
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.code = problem.code;
    this.detail = problem.detail;
    this.rule = problem['rule'] as string | undefined;
    this.problem = problem;
  }
}

/** What is left undone when the application closes. */
export function closedError(): DOMException {
  return new DOMException('Closed.', 'AbortError');
}

/** A refusal that no hub has put into words: without a `type` it is `about:blank` (RFC 9457, section 4.2.1), and it has no status. */
export function refusal(code: ErrorCode, title: string, retryable = false): Problem {
  return { code, title, retryable } as Problem;
}

/** Whether it is the credentials themselves that are refused, and not what was asked for with them. */
export function isAboutToken({ code, rule }: Problem): boolean {
  return rule === undefined && (code === 'token_expired' || code === 'unauthorized');
}
