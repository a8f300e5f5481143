import type { Sent, SendRequest } from '../../core/subscription/ports.ts';

/** A question to an endpoint whether it wants what it would be sent, and how its answer is read (PROTOCOL.md section 14.5). */
export interface Question extends Omit<SendRequest, 'timeoutMs'> {
  judge(sent: Sent): Verdict;
}

export type Verdict =
  /** `ratePerMinute`: the most that it wants; `undefined` when it says nothing of that. */
  | { readonly isGiven: true; readonly ratePerMinute: number | undefined }
  /** `detail` is in words for a person; `isGone`: it wants nothing, now or later. */
  | { readonly isGiven: false; readonly detail: string; readonly isGone?: boolean };

/** What a `polycast.verify` event is made of. */
export interface VerifyEvent {
  readonly id: string;
  readonly subscription: string;
  readonly challenge: string;
  readonly timeMs: number;
}

/** The bytes of that event. They are signed and sent like any other, whatever format the subscription has. */
export function verifyEvent({ id, subscription, challenge, timeMs }: VerifyEvent): Uint8Array {
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
export function signedQuestion(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  challenge: string,
): Question {
  return {
    url,
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body,
    judge: (sent) => judged(sent, ({ body }) => holdsChallenge(body, challenge) || 'it did not return the challenge'),
  };
}

/**
 * CloudEvents HTTP Webhook 1.0, section 4: consent is given by headers, never by a status.
 * @param origin what the hub calls itself: a host name
 * @param ratePerMinute what the hub would like; the endpoint may name less
 */
export function cloudEventsQuestion(url: string, origin: string, ratePerMinute: number | undefined): Question {
  const rate =
    ratePerMinute === undefined ? {} : { 'webhook-request-rate': String(Math.max(1, Math.floor(ratePerMinute))) };
  return {
    url,
    method: 'OPTIONS',
    headers: { 'webhook-request-origin': origin, ...rate },
    body: undefined,
    judge(sent) {
      const headers: Readonly<Record<string, string>> = sent.answer?.headers ?? {};
      const allowed = headers['webhook-allowed-origin'];
      const isAllowed = allowed === '*' || allowed?.toLowerCase() === origin.toLowerCase();
      if (sent.failure !== undefined) return refused(sent.detail);
      if (!isAllowed) return refused('its WebHook-Allowed-Origin does not name this hub');
      const given = headers['webhook-allowed-rate'];
      // Who is asked for a rate has to name one.
      if (given === undefined && ratePerMinute !== undefined) return refused('it named no WebHook-Allowed-Rate');
      if (given === undefined || given === '*') return { isGiven: true, ratePerMinute: undefined };
      if (!/^[1-9]\d{0,8}$/.test(given)) return refused('its WebHook-Allowed-Rate is no number of requests per minute');
      return { isGiven: true, ratePerMinute: Number(given) };
    },
  };
}

/** REST Hooks: the endpoint must return the header that it was sent. */
export function hookSecretQuestion(url: string, secret: string): Question {
  return {
    url,
    method: 'POST',
    headers: { 'x-hook-secret': secret },
    body: new Uint8Array(),
    judge: (sent) =>
      judged(sent, ({ headers }) => headers['x-hook-secret'] === secret || 'it did not return X-Hook-Secret'),
  };
}

function judged(sent: Sent, consents: (answer: NonNullable<Sent['answer']>) => true | string): Verdict {
  const { answer } = sent;
  if (answer === undefined) return refused(sent.detail);
  if (answer.status < 200 || answer.status > 299) return refused(`it answered ${answer.status}`);
  const outcome = consents(answer);
  return outcome === true ? { isGiven: true, ratePerMinute: undefined } : refused(outcome);
}

function refused(detail: string): Verdict {
  return { isGiven: false, detail };
}

function holdsChallenge(body: string, challenge: string): boolean {
  if (body.trim() === challenge) return true;
  try {
    return (JSON.parse(body) as { challenge?: unknown } | null)?.challenge === challenge;
  } catch {
    return false;
  }
}
