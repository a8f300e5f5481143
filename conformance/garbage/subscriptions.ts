import type { ErrorCode } from '@polycast/protocol';
import type { Garbage } from './requests.ts';

/** Placeholders for the ids of an existing webhook and an existing queue, of the same length. */
export const WEBHOOK = 'sub_wwwwwwwwwwwwwwww';
export const QUEUE = 'sub_qqqqqqqqqqqqqqqq';
const UNKNOWN_ID = 'sub_0000000000000000';
const OTHER_EPOCH_CURSOR = 'zzzzzzzzzz-00000000001';

/** Requests without a body. */
const WITHOUT_BODY: readonly (readonly [request: string, code: ErrorCode])[] = [
  ['GET /v1/event-types?x=1', 'invalid_parameter'],
  ['GET /v1/event-types?%ff', 'invalid_parameter'],
  ['GET /v1/hooks?limit=1', 'invalid_parameter'],
  ['GET /v1/hooks/samples', 'invalid_parameter'],
  ['GET /v1/hooks/samples?event=a&event=b', 'invalid_parameter'],
  ['GET /v1/hooks/__proto__', 'not_found'],
  ['DELETE /v1/hooks/%00', 'not_found'],
  ['DELETE /v1/hooks', 'invalid_body'],
  ['DELETE /v1/hooks?x=1', 'invalid_body'],
  ['DELETE /v1/hooks?target_url=', 'invalid_body'],
  ['DELETE /v1/hooks?target_url=%ff', 'invalid_parameter'],
  ['DELETE /v1/hooks?target_url=a&target_url=b', 'invalid_parameter'],
  ['DELETE /v1/hooks?target_url=http://127.0.0.1:9/', 'not_found'],
  ['GET /v1/events/x/deliveries', 'invalid_cursor'],
  [`GET /v1/events/${OTHER_EPOCH_CURSOR}/deliveries?x=1`, 'invalid_parameter'],
  ['GET /v1/subscriptions?limit=0', 'invalid_parameter'],
  ['GET /v1/subscriptions?state=dead', 'invalid_parameter'],
  ['GET /v1/subscriptions/__proto__', 'not_found'],
  [`DELETE /v1/subscriptions/${UNKNOWN_ID}`, 'not_found'],
  [`GET /v1/subscriptions/${WEBHOOK}/replays?x=1`, 'invalid_parameter'],
  [`GET /v1/subscriptions/${WEBHOOK}/attempts?before=-1`, 'invalid_parameter'],
  [`GET /v1/subscriptions/${WEBHOOK}/dead-letters?limit=0`, 'invalid_parameter'],
  [`GET /v1/subscriptions/${WEBHOOK}/dead-letters?limit=x`, 'invalid_parameter'],
  [`GET /v1/subscriptions/${WEBHOOK}/dead-letters?after=x`, 'invalid_cursor'],
  [`GET /v1/subscriptions/${WEBHOOK}/dead-letters/${OTHER_EPOCH_CURSOR}`, 'not_found'],
  [`POST /v1/subscriptions/${WEBHOOK}/dead-letters/${OTHER_EPOCH_CURSOR}/retry`, 'not_found'],
  [`DELETE /v1/subscriptions/${WEBHOOK}/dead-letters/%ff`, 'not_found'],
  [`POST /v1/subscriptions/${WEBHOOK}/dead-letters/x/retry`, 'invalid_cursor'],
  [`POST /v1/subscriptions/${UNKNOWN_ID}/dead-letters/retry`, 'not_found'],
  [`POST /v1/subscriptions/${QUEUE}/rotate-secret`, 'subscription_not_active'],
  [`POST /v1/subscriptions/${WEBHOOK}/pull`, 'subscription_not_active'],
];

/** JSON bodies of POST requests. */
const WITH_JSON_BODY: readonly (readonly [path: string, body: string, code: ErrorCode])[] = [
  ['/v1/hooks', '', 'invalid_body'],
  ['/v1/hooks', '{', 'invalid_json'],
  ['/v1/hooks', '["a"]', 'invalid_body'],
  ['/v1/hooks', '{"__proto__":{"target_url":"http://127.0.0.1:9/"}}', 'invalid_body'],
  ['/v1/hooks', '{"target_url":"http://127.0.0.1:9/"}', 'invalid_body'],
  ['/v1/hooks', '{"target_url":"file:///etc/passwd","event":"a"}', 'invalid_body'],
  ['/v1/hooks', '{"target_url":"http://10.0.0.1/","event":"a"}', 'endpoint_refused'],
  ['/v1/subscriptions', '{"channels":["a"],"delivery":{"kind":"pull","__proto__":{}}}', 'invalid_body'],
  ['/v1/subscriptions', '{"channels":["a"],"delivery":{"kind":"webhook","url":"//a"}}', 'invalid_body'],
  ['/v1/subscriptions', '{"channels":["o.>"],"channels":["p"],"delivery":{"kind":"pull"}}', 'duplicate_member'],
  ['/v1/subscriptions', '{"channels":["a"],"delivery":{"kind":"pull","kind":"webhook"}}', 'duplicate_member'],
  [
    '/v1/hooks',
    '{"target_url":"http://127.0.0.1:9/","target_ur\\u006c":"http://127.0.0.1:8/","event":"a"}',
    'duplicate_member',
  ],
  [`/v1/subscriptions/${WEBHOOK}/test`, '{"data":{"a":1,"a":2}}', 'duplicate_member'],
  [`/v1/subscriptions/${QUEUE}/pull`, '{"count":1,"count":2}', 'duplicate_member'],
  [`/v1/subscriptions/${WEBHOOK}/rotate-secret`, '{"overlapSeconds":-1}', 'invalid_body'],
  [`/v1/subscriptions/${WEBHOOK}/rotate-secret`, '{"overlapSeconds":1e99}', 'invalid_body'],
  [`/v1/subscriptions/${WEBHOOK}/rotate-secret`, '{"overlapSeconds":"1"}', 'invalid_body'],
  [`/v1/subscriptions/${WEBHOOK}/rotate-secret`, '{"secret":"whsec_"}', 'invalid_body'],
  [`/v1/subscriptions/${WEBHOOK}/replay`, '{"after":"now"}', 'invalid_body'],
  [`/v1/subscriptions/${WEBHOOK}/test`, '{"channel":"*"}', 'invalid_body'],
  [`/v1/subscriptions/${QUEUE}/pull`, '{"count":1e400}', 'invalid_body'],
  [`/v1/subscriptions/${QUEUE}/ack`, '{"leases":{"length":1}}', 'invalid_body'],
  [`/v1/subscriptions/${QUEUE}/nack`, '{"leases":["a"],"delaySeconds":-1}', 'invalid_body'],
  [`/v1/subscriptions/${QUEUE}/extend`, '{"leases":["a"],"leaseSeconds":null}', 'invalid_body'],
];

/** Invalid requests for subscriptions. None of them changes anything. */
export const SUBSCRIPTION_REQUESTS: readonly Garbage[] = [
  ...WITHOUT_BODY.map(([request, code]) => ({
    name: request,
    bytes: `${request} HTTP/1.1\r\nHost: localhost\r\n${request.startsWith('POST') ? 'Content-Length: 0\r\n' : ''}\r\n`,
    code,
  })),
  ...WITH_JSON_BODY.map(([path, body, code]) => ({
    name: `POST ${path} of ${body}`,
    bytes: posted(path, 'application/json', body),
    code,
  })),
  ...['/v1/hooks', `/v1/subscriptions/${WEBHOOK}/rotate-secret`, `/v1/subscriptions/${QUEUE}/ack`].map((path) => ({
    name: `POST ${path} of another media type`,
    bytes: posted(path, 'text/plain', '{}'),
    code: 'unsupported_media_type' as const,
  })),
];

/** Operations on a WebSocket that are refused in their answer, and the code. */
export const SUBSCRIPTION_OPERATIONS: readonly (readonly [object, ErrorCode])[] = [
  [{ op: 'pull', subscription: WEBHOOK, credit: 1 }, 'subscription_not_active'],
  [{ op: 'pull', subscription: QUEUE }, 'invalid_message'],
  [{ op: 'pull', subscription: QUEUE, credit: 1001 }, 'invalid_message'],
  [{ op: 'pull', subscription: QUEUE, credit: 1, leaseSeconds: 0 }, 'invalid_message'],
  [{ op: 'credit', subscription: QUEUE, credit: 0 }, 'invalid_message'],
  [{ op: 'ack', subscription: QUEUE, leases: [null] }, 'invalid_message'],
  [{ op: 'ack', subscription: QUEUE, through: OTHER_EPOCH_CURSOR }, 'invalid_message'],
  [{ op: 'nack', subscription: QUEUE, leases: ['a'], delaySeconds: -1 }, 'invalid_message'],
  [{ op: 'extend', subscription: QUEUE, leases: ['a'], leaseSeconds: 1e9 }, 'invalid_message'],
  [{ op: 'extend', subscription: WEBHOOK, leases: ['a'] }, 'subscription_not_active'],
];

function posted(path: string, mediaType: string, body: string): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${mediaType}\r\n`;
  return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
