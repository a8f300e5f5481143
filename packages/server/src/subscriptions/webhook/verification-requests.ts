import type { SendResult, SendRequest } from '../state/ports.ts';

/** A question to an endpoint whether it wants what it would be sent, and how its answer is read (PROTOCOL.md section 14.5). */
export interface VerificationRequest extends Omit<SendRequest, 'timeoutMs'> {
  evaluate(sent: SendResult): VerificationResult;
}

export type VerificationResult =
  /** `ratePerMinute`: the most that it wants; `undefined` when it says nothing of that. */
  | { readonly isVerified: true; readonly ratePerMinute: number | undefined }
  /** `detail` is in words for a person; `isGone`: it wants nothing, now or later. */
  | { readonly isVerified: false; readonly detail: string; readonly isGone?: boolean };

/** What a `polycast.verify` event is made of. */
export interface VerificationEvent {
  readonly id: string;
  readonly subscription: string;
  readonly challenge: string;
  readonly timeMs: number;
}

/** The bytes of that event. They are signed and sent like any other, whatever format the subscription has. */
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

/** The endpoint must return the challenge, as `{"challenge":"…"}` or as it is. `headers` hold the signature. */
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
 * CloudEvents HTTP Webhook 1.0, section 4: consent is given by headers, never by a status.
 * @param origin what the hub calls itself: a host name
 * @param ratePerMinute what the hub would like; the endpoint may name less
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
      // Who is asked for a rate has to name one.
      if (given === undefined && ratePerMinute !== undefined) return notVerified('it named no WebHook-Allowed-Rate');
      if (given === undefined || given === '*') return { isVerified: true, ratePerMinute: undefined };
      if (!/^[1-9]\d{0,8}$/.test(given))
        return notVerified('its WebHook-Allowed-Rate is no number of requests per minute');
      return { isVerified: true, ratePerMinute: Number(given) };
    },
  };
}

/** REST Hooks: the endpoint must return the header that it was sent. */
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
