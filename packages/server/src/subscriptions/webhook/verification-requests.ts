import type { SendResult, SendRequest } from '../state/ports.ts';

/**
 * A request that asks an endpoint whether it wants the events, and the check of its response
 * (PROTOCOL.md section 14.5).
 */
export interface VerificationRequest extends Omit<SendRequest, 'timeoutMs'> {
  evaluate(sent: SendResult): VerificationResult;
}

export type VerificationResult =
  /** `ratePerMinute`: the highest rate that the endpoint allows; `undefined` if it names none. */
  | { readonly isVerified: true; readonly ratePerMinute: number | undefined }
  /** `detail` is a text for people. `isGone`: the endpoint refuses for good. */
  | { readonly isVerified: false; readonly detail: string; readonly isGone?: boolean };

/** The values of a `polycast.verify` event. */
export interface VerificationEvent {
  readonly id: string;
  readonly subscription: string;
  readonly challenge: string;
  readonly timeMs: number;
}

/**
 * The bytes of a `polycast.verify` event. They are signed like any other event, and the
 * subscription's format does not change them.
 */
export function verificationEventBody({ id, subscription, challenge, timeMs }: VerificationEvent): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      id,
      channel: `polycast.subscriptions.${subscription}`,
      type: 'polycast.verify',
      time: new Date(timeMs).toISOString(),
      data: { challenge, subscription },
    }),
  );
}

/**
 * The endpoint must return the challenge, as `{"challenge":"…"}` or as plain text. `headers`
 * contain the signature.
 */
export function challengeRequest(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  challenge: string,
): VerificationRequest {
  return {
    url,
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body,
    evaluate: (sent) =>
      evaluateResponse(sent, ({ body }) => containsChallenge(body, challenge) || 'it did not return the challenge'),
  };
}

/**
 * CloudEvents HTTP Webhook 1.0, section 4: the endpoint consents by headers, never by a status.
 * @param origin host name by which the hub identifies itself
 * @param ratePerMinute the rate that the hub requests; the endpoint may allow less
 */
export function cloudEventsHandshake(
  url: string,
  origin: string,
  ratePerMinute: number | undefined,
): VerificationRequest {
  const rate =
    ratePerMinute === undefined ? {} : { 'webhook-request-rate': String(Math.max(1, Math.floor(ratePerMinute))) };
  return {
    url,
    method: 'OPTIONS',
    headers: { 'webhook-request-origin': origin, ...rate },
    body: undefined,
    evaluate(sent) {
      const headers: Readonly<Record<string, string>> = sent.answer?.headers ?? {};
      const allowed = headers['webhook-allowed-origin'];
      const isAllowed = allowed === '*' || allowed?.toLowerCase() === origin.toLowerCase();
      if (sent.failure !== undefined) return notVerified(sent.detail);
      if (!isAllowed) return notVerified('its WebHook-Allowed-Origin does not name this hub');
      const given = headers['webhook-allowed-rate'];
      // An endpoint that receives a requested rate must answer with an allowed rate.
      if (given === undefined && ratePerMinute !== undefined) return notVerified('it named no WebHook-Allowed-Rate');
      if (given === undefined || given === '*') return { isVerified: true, ratePerMinute: undefined };
      if (!/^[1-9]\d{0,8}$/.test(given))
        return notVerified('its WebHook-Allowed-Rate is no number of requests per minute');
      return { isVerified: true, ratePerMinute: Number(given) };
    },
  };
}

/** REST Hooks: the endpoint must return the `X-Hook-Secret` header of the request. */
export function hookSecretRequest(url: string, secret: string): VerificationRequest {
  return {
    url,
    method: 'POST',
    headers: { 'x-hook-secret': secret },
    body: new Uint8Array(),
    evaluate: (sent) =>
      evaluateResponse(sent, ({ headers }) => headers['x-hook-secret'] === secret || 'it did not return X-Hook-Secret'),
  };
}

function evaluateResponse(
  sent: SendResult,
  check: (answer: NonNullable<SendResult['answer']>) => true | string,
): VerificationResult {
  const { answer } = sent;
  if (answer === undefined) return notVerified(sent.detail);
  if (answer.status < 200 || answer.status > 299) return notVerified(`it answered ${answer.status}`);
  const outcome = check(answer);
  return outcome === true ? { isVerified: true, ratePerMinute: undefined } : notVerified(outcome);
}

function notVerified(detail: string): VerificationResult {
  return { isVerified: false, detail };
}

function containsChallenge(body: string, challenge: string): boolean {
  if (body.trim() === challenge) return true;
  try {
    return (JSON.parse(body) as { challenge?: unknown } | null)?.challenge === challenge;
  } catch {
    return false;
  }
}
