import type { VerificationResult } from '../state/dialect.ts';
import type { SendResult } from '../state/ports.ts';

/** Evaluates the response to a verification. Only a 2xx response that passes the check verifies. */
export function evaluateResponse(
  sent: SendResult,
  check: (answer: NonNullable<SendResult['answer']>) => true | string,
): VerificationResult {
  const { answer } = sent;
  if (answer === undefined) return notVerified(sent.detail);
  if (answer.status < 200 || answer.status > 299) return notVerified(`it answered with status ${answer.status}`);
  const outcome = check(answer);
  return outcome === true ? { isVerified: true, ratePerMinute: undefined } : notVerified(outcome);
}

export function notVerified(detail: string): VerificationResult {
  return { isVerified: false, detail };
}
