import {
  notVerified,
  type Dialect,
  type VerificationContext,
  type VerificationRequest,
  type VerificationTarget,
} from '../../state/dialect.ts';
import { describeSecret } from '../../webhook/request/secrets.ts';
import { standardHeaders } from '../../webhook/request/signature.ts';

/**
 * CloudEvents HTTP Webhook 1.0, with the signature of Standard Webhooks. Its bodies come from
 * `webhook/body-formats/cloudevents-format.ts`.
 */
export const cloudEvents: Dialect = {
  name: 'cloudevents',
  isCreatable: true,
  defaultFormat: 'cloudevents',
  isKeyedByEndpoint: false,
  fixedMembers: {},
  fixedDeliveryMembers: {},
  rotationRefusal: undefined,
  reservedHeaders: /^webhook-/,
  reportsGaps: true,
  verification: { isWithinCreation: false, request: handshake },
  signatureHeaders: standardHeaders,
  describeSecret,
  removalNotice: () => undefined,
};

/**
 * CloudEvents HTTP Webhook 1.0, section 4: the endpoint consents by headers, never by a status. The
 * hub requests the rate of the subscription, and the endpoint may allow less.
 */
function handshake(
  { ratePerSecond, delivery: { url } }: VerificationTarget,
  { origin }: VerificationContext,
): VerificationRequest {
  const rate =
    ratePerSecond === undefined ? {} : { 'webhook-request-rate': String(Math.max(1, Math.floor(ratePerSecond * 60))) };
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
      if (given === undefined && ratePerSecond !== undefined) return notVerified('it sent no WebHook-Allowed-Rate');
      if (given === undefined || given === '*') return { isVerified: true, ratePerMinute: undefined };
      if (!/^[1-9]\d{0,8}$/.test(given))
        return notVerified('its WebHook-Allowed-Rate is not a number of requests per minute');
      return { isVerified: true, ratePerMinute: Number(given) };
    },
  };
}
