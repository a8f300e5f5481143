import {
  evaluateResponse,
  type Dialect,
  type VerificationContext,
  type VerificationRequest,
  type VerificationTarget,
} from '../../state/dialect.ts';
import { describeSecret } from '../../webhook/request/secrets.ts';
import { standardHeaders } from '../../webhook/request/signature.ts';

/** REST Hooks (PROTOCOL.md section 14.8), with the signature of Standard Webhooks. */
export const restHooks: Dialect = {
  name: 'rest-hooks',
  isCreatable: false,
  defaultFormat: 'event',
  isKeyedByEndpoint: true,
  fixedMembers: {},
  fixedDeliveryMembers: {},
  rotationRefusal: undefined,
  reservedHeaders: /^x-hook-/,
  reportsGaps: true,
  verification: { isWithinCreation: true, request: hookSecretRequest },
  signatureHeaders: standardHeaders,
  describeSecret,
  removalNotice: () => undefined,
};

/** The endpoint must return the `X-Hook-Secret` header of the request. */
function hookSecretRequest(
  { delivery: { url } }: VerificationTarget,
  { randomText }: VerificationContext,
): VerificationRequest {
  const secret = randomText(24);
  return {
    url,
    method: 'POST',
    headers: { 'x-hook-secret': secret },
    body: new Uint8Array(),
    evaluate: (sent) =>
      evaluateResponse(sent, ({ headers }) => headers['x-hook-secret'] === secret || 'it did not return X-Hook-Secret'),
  };
}
