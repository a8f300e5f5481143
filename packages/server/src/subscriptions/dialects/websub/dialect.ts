import { createHmac } from 'node:crypto';
import type { Secret } from '../../state/definition.ts';
import type { Dialect } from '../../state/dialect.ts';
import { expiryText } from '../../webhook/request/secrets.ts';
import { denial } from './callback-verification.ts';

const TERM = 'is defined by the WebSub subscriber';
const CONVENTION = 'is defined by WebSub';

/**
 * WebSub (PROTOCOL.md section 14.7). A subscriber receives only the content of the topic, so no
 * gap. `websub-hub.ts` verifies a callback before it creates a subscription.
 */
export const webSub: Dialect = {
  name: 'websub',
  isCreatable: false,
  defaultFormat: 'data',
  isKeyedByEndpoint: true,
  // Only the subscriber itself may change the terms of its request.
  fixedMembers: {
    channels: TERM,
    types: TERM,
    filter: TERM,
    ordering: TERM,
    expires: TERM,
  },
  fixedDeliveryMembers: { format: CONVENTION, headers: CONVENTION, batch: CONVENTION },
  rotationRefusal: 'A WebSub secret belongs to its subscriber.',
  reservedHeaders: /^(?:x-hub-.*|link)$/,
  reportsGaps: false,
  verification: undefined,
  signatureHeaders: hubHeaders,
  describeSecret: ({ endsMs }) => ({ kind: 'hmac', expires: expiryText(endsMs) }),
  removalNotice: ({ url }, metadata) => denial(metadata['topic'] ?? '', url, 'The hub has ended the subscription.'),
};

/**
 * The header `X-Hub-Signature` (WebSub, section 7.1). It uses the first secret only, whose form is
 * `ALGORITHM=TEXT`. No such header if there is no secret or it has expired. WebSub gives a delivery
 * no id: by `webhook-id` a subscriber recognizes a second attempt whose first answer was lost.
 */
function hubHeaders(
  [secret]: readonly Secret[],
  id: string,
  body: Uint8Array,
  nowMs: number,
): Readonly<Record<string, string>> {
  if (secret === undefined || (secret.endsMs !== undefined && secret.endsMs <= nowMs)) return { 'webhook-id': id };
  const at = secret.text.indexOf('=');
  const algorithm = secret.text.slice(0, at);
  const digest = createHmac(algorithm, secret.text.slice(at + 1))
    .update(body)
    .digest('hex');
  return { 'webhook-id': id, 'x-hub-signature': `${algorithm}=${digest}` };
}
