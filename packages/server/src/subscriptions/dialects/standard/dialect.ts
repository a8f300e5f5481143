import {
  evaluateResponse,
  type Dialect,
  type VerificationContext,
  type VerificationRequest,
  type VerificationTarget,
} from '../../state/dialect.ts';
import { describeSecret } from '../../webhook/request/secrets.ts';
import { standardHeaders } from '../../webhook/request/signature.ts';

/** Standard Webhooks 1.0. The endpoint is verified by a signed event with a challenge. */
export const standard: Dialect = {
  name: 'standard',
  isCreatable: true,
  defaultFormat: 'event',
  isKeyedByEndpoint: false,
  fixedMembers: {},
  fixedDeliveryMembers: {},
  rotationRefusal: undefined,
  reservedHeaders: /^webhook-/,
  reportsGaps: true,
  verification: { isWithinCreation: false, request: challengeRequest },
  signatureHeaders: standardHeaders,
  describeSecret,
  removalNotice: () => undefined,
};

/**
 * A `polycast.verify` event. It is signed like any other event, and the subscription's format does
 * not change it. The endpoint must return the challenge, as `{"challenge":"…"}` or as plain text.
 */
function challengeRequest(
  { id: subscription, delivery: { url, headers, secrets } }: VerificationTarget,
  { nowMs, randomText }: VerificationContext,
): VerificationRequest {
  const challenge = randomText(24);
  const id = `verify_${randomText(12)}`;
  const body = Buffer.from(
    JSON.stringify({
      id,
      channel: `polycast.subscriptions.${subscription}`,
      type: 'polycast.verify',
      time: new Date(nowMs).toISOString(),
      data: { challenge, subscription },
    }),
  );
  return {
    url,
    method: 'POST',
    headers: { ...headers, ...standardHeaders(secrets, id, body, nowMs), 'content-type': 'application/json' },
    body,
    evaluate: (sent) =>
      evaluateResponse(
        sent,
        (answer) => containsChallenge(answer.body, challenge) || 'it did not return the challenge',
      ),
  };
}

function containsChallenge(body: string, challenge: string): boolean {
  if (body.trim() === challenge) return true;
  try {
    return (JSON.parse(body) as { challenge?: unknown } | null)?.challenge === challenge;
  } catch {
    return false;
  }
}
