import type { ErrorCode } from '../../packages/protocol/src/index.ts';

/** What the reference says of a code beyond the catalogue. */
export interface ErrorGuidance {
  /** When it comes. */
  readonly when: string;
  /** What the one who gets it can do. */
  readonly then: string;
  /** Members that the problem document has beside the common ones. */
  readonly members?: Readonly<Record<string, string>>;
}

/** One for every code: the compiler sees to it. */
export const ERROR_GUIDANCE: Readonly<Record<ErrorCode, ErrorGuidance>> = {
  invalid_json: {
    when: 'The body, an item of it, or a message is not JSON as RFC 8259 has it.',
    then: 'Mend the publisher; `detail` says where it went wrong.',
  },
  invalid_utf8: {
    when: 'Bytes that should be text are not UTF-8. (Half of a surrogate pair as an escape, `\\ud800`, is: within `data` it is kept; in the other members of an event it is `invalid_event`, in a name, reason, type, description or metadata `invalid_body`.)',
    then: 'Encode text as UTF-8; publish bytes as bytes, with a media type of their own.',
  },
  json_too_deep: { when: 'Arrays and objects are nested more than 128 deep.', then: 'Flatten the data.' },
  duplicate_member: {
    when: 'The envelope of an event, an operation on a WebSocket, or an object anywhere in the body of another request has the same member twice. (Within the `data` of what is published that is kept as it is.)',
    then: 'Give each member once.',
  },
  invalid_body: {
    when: 'A member of the body is missing, of the wrong kind or not known; of what is no event: a key, a revocation, a subscription.',
    then: 'See PROTOCOL.md sections 13 and 14; `member` names it.',
    members: { member: 'which one' },
  },
  invalid_event: {
    when: 'A member of the envelope is missing, of the wrong kind or not known.',
    then: 'See PROTOCOL.md section 8; `detail` names the member.',
  },
  invalid_filter: {
    when: 'The filter of a subscription has an operator that is not known, a path that is none, or is too large or too deep.',
    then: 'See PROTOCOL.md section 14.1; `at` says where in the filter.',
    members: { at: 'where in the filter, as a JSON pointer' },
  },
  invalid_channel: {
    when: 'The name is no channel: tokens of `A-Z a-z 0-9 _ -` joined by dots, at most 200 characters.',
    then: 'Mend the name. Patterns can be subscribed to, not published to.',
  },
  invalid_pattern: {
    when: 'What was subscribed to is neither a channel nor a pattern.',
    then: '`*` stands alone for one token, `>` only as the last. A pattern has at most 16 tokens, 4 of them `*`.',
  },
  invalid_cursor: {
    when: 'What was given as a cursor is none: it was cut, changed or made up.',
    then: 'Send back exactly what the hub gave, or begin with `earliest` or `now`. An old cursor is no error: it gets a gap.',
    members: { parameter: 'where it was given', header: 'the header, if it was in one' },
  },
  invalid_parameter: {
    when: 'A query parameter is not known, given twice, out of its range, or does not go with another.',
    then: '`parameter` names it.',
    members: { parameter: 'which one' },
  },
  invalid_header: { when: 'A header that the hub reads is not of its form.', then: '`detail` names it.' },
  invalid_request: {
    when: 'What came is not HTTP/1.1.',
    then: 'Look for what speaks something else to this port: TLS to a plain one, for one.',
  },
  pipelined_request: {
    when: 'An event stream or an upgrade was sent on a connection on which an earlier request has no answer yet.',
    then: 'Send it on a connection of its own. No common client does otherwise.',
  },
  unsupported_transfer_coding: {
    when: 'The request has a `Transfer-Encoding` other than `chunked`.',
    then: 'Send the body as it is, with a `Content-Length` or in chunks.',
  },
  invalid_message: {
    when: 'A WebSocket message is no operation of PROTOCOL.md section 7.3.',
    then: 'Mend the client: the 20th closes the connection with 4400.',
  },
  channel_missing: { when: 'A poll or an SSE stream names no channel.', then: 'Add `channel=`; a pattern will do.' },
  too_many_channels: {
    when: 'More channels and patterns than `limits.channelsPerConsumerMax`, or patterns with more than ten times as many tokens.',
    then: 'Use a pattern, or several consumers.',
    members: { limit: 'how many are allowed' },
  },
  unsupported_subprotocol: {
    when: 'A WebSocket offers subprotocols, and `polycast.v1` is not among them.',
    then: 'Offer `polycast.v1`, or none.',
  },
  unauthorized: { when: 'Credentials are missing, wrong or expired.', then: 'Get new ones and try again.' },
  token_expired: {
    when: 'The token was good once, and its time is over.',
    then: 'Get a new one from the site and come back with it, and with the cursor.',
  },
  forbidden: {
    when: 'The credentials are good, and this is not allowed with them.',
    then: 'Ask the one who makes the rules; `channel` says what was refused, and to servers `rule` by which one.',
    members: { channel: 'the channel or pattern that was refused', rule: 'the rule that decided; to servers alone' },
  },
  origin_not_allowed: {
    when: 'A page of another origin asks, and `allowedOrigins` does not have it; or a page of a file asks a hub of `polycast dev` for more than events.',
    then: 'Add the origin to `allowedOrigins`. For pages of the same machine there is `localPages`.',
  },
  not_found: {
    when: 'The hub has nothing at this path.',
    then: 'Compare the path with the [HTTP reference](http.md).',
  },
  channel_empty: {
    when: 'The channel has no event, or none any more.',
    then: 'Wait for one with `wait=`, or subscribe.',
  },
  event_damaged: {
    when: 'The disk of the hub returns other bytes for the newest event of the channel than were written. This does not pass by itself.',
    then: 'Publish the value again: then that is the newest. The history has what can still be read, and `/healthz` lists `log_damaged`.',
  },
  method_not_allowed: { when: 'The path exists, the method does not.', then: '`Allow` lists those that do.' },
  not_acceptable: {
    when: '`Accept` leaves neither JSON nor an event stream.',
    then: 'Ask for `application/json` or `text/event-stream`.',
  },
  request_timeout: {
    when: 'Headers or body did not come within `limits.headersTimeoutMs` or `limits.bodyTimeoutMs`.',
    then: 'Send faster, or smaller; try again.',
  },
  idempotency_in_progress: {
    when: 'A request with the same key has not been answered yet.',
    then: 'Wait a moment and send the same again.',
  },
  subscription_not_active: {
    when: 'What was asked for needs a subscription in another state or of another delivery: a pull from one that is paused, a replay of one that has ended, a test of one that is pulled, a test or a pause of one whose endpoint has not consented.',
    then: 'Read the subscription; `state` says where it stands. Resume it, or make another.',
    members: { state: 'pending, active, paused, suspended or ended' },
  },
  precondition_failed: {
    when: '`If-Match`, `If-None-Match` or `ifMatch` does not hold: somebody published since, or has changed the subscription.',
    then: "Read the channel's newest event, or the subscription, decide again, and try with its id or ETag.",
    members: { latest: "the id of the channel's newest event" },
  },
  body_too_large: {
    when: 'The body is longer than `limits.bodyBytesMax`.',
    then: 'Send less at once, or NDJSON, which has no such limit.',
    members: { limit: 'bytes' },
  },
  event_too_large: {
    when: "The event's JSON is longer than its channel's `eventBytesMax`.",
    then: 'Put the bulk elsewhere and publish where it is.',
    members: { limit: 'bytes' },
  },
  batch_too_large: {
    when: 'An array holds more than `limits.batchEventsMax` events.',
    then: 'Send several, or NDJSON.',
    members: { limit: 'events' },
  },
  uri_too_long: { when: 'The request line does not fit.', then: 'Name fewer channels, or use a pattern.' },
  host_not_allowed: {
    when: 'Without access control because only this machine can reach the hub (`access: loopback`, `polycast dev`): the request names another host than `localhost`, 127.0.0.1 or that of `publicUrl`, as after DNS rebinding.',
    then: 'Use `http://127.0.0.1`; a hub that others may reach is run by `polycast serve`.',
  },
  unsupported_media_type: {
    when: 'The `Content-Type` of `POST /v1/events` is none of those of PROTOCOL.md section 8.1.',
    then: 'Send JSON, NDJSON or CloudEvents; data of other types goes to `/v1/channels/{channel}/events`.',
  },
  idempotency_key_reused: {
    when: 'The key was used within 24 hours for another channel, type or data, or for another subscription.',
    then: 'Take a new key for what is new.',
  },
  endpoint_refused: {
    when: 'The URL of a webhook may not be sent to (its scheme, its port, an address that is not public), or the endpoint did not answer the verification as its dialect asks.',
    then: 'Mend the endpoint, or have `outgoing.allow` or `subscriptions.trustedEndpoints` name it; `category` says what came of it.',
    members: {
      category:
        'what speaks against it, as the outcome of an attempt: `url`, `request`, `destination`, or of an endpoint that was asked `certificate`, `timeout`, `connection`, `answer`, `refused_status`, `gone`, `slowed_down`, `redirected`',
      member: 'of a WebSub request `hub.callback`',
    },
  },
  event_invalid: {
    when: 'A rule has events checked against the schema of their type, and this one does not fit, or its type is not in the catalogue.',
    then: 'Mend the data; `at` says where in it. `GET /v1/event-types` has the schemas.',
    members: { at: 'where in the data, as a JSON pointer; absent when it is not about a place in it' },
  },
  upgrade_required: { when: 'The `Sec-WebSocket-Version` is not 13.', then: 'Use a WebSocket client of this age.' },
  too_many_connections: {
    when: 'A user, or an address, has as many streams and waiting polls as `limits.connectionsPerUserMax` or `limits.connectionsPerAddressMax` allow, or an address as many connections as `limits.socketsPerAddressMax`.',
    then: 'Close what is not used any more, share one connection between tabs, or raise the limit. Behind a proxy, see `trustedProxies`.',
    members: { limit: 'how many there may be' },
  },
  rate_limited: {
    when: 'More than `publishRatePerSecond` of the channel, too many messages, or an endpoint is to be asked for its consent (`resume`) that was asked less than 5 s ago.',
    then: 'Wait for `Retry-After` and send the same again.',
    members: { retryAfterMs: 'how long' },
  },
  headers_too_large: {
    when: 'Request line and headers are longer than `limits.headerBytesMax`.',
    then: 'Send fewer cookies, or fewer channels.',
  },
  internal_error: {
    when: 'The hub has a fault; it is in its log.',
    then: 'Try again later, with the same idempotency key; tell whoever runs it.',
  },
  channel_limit: {
    when: 'The log holds `limits.channelsMax` channels (for clients: `limits.clientChannelsPercent` of them), and this is another.',
    then: 'Raise the limit, or let retention empty old channels.',
  },
  subscription_limit: {
    when: 'The hub holds `subscriptions.subscriptionsMax` subscriptions, and this is another.',
    then: 'Delete those that nobody needs, or raise the limit.',
  },
  log_unavailable: {
    when: 'The log cannot be written: the disk fails, or the log is just being opened.',
    then: 'Try again after `Retry-After`, with the same idempotency key. Reading goes on.',
  },
  log_full: { when: 'The disk has no more space.', then: 'Free some: the hub recovers by itself. Reading goes on.' },
  identity_unavailable: {
    when: 'The site that knows its users does not answer, and this one is not known from before.',
    then: 'Try again after `Retry-After`.',
  },
  overloaded: {
    when: 'More connections than `limits.connectionsMax`, more unwritten bytes than `limits.appendQueueBytesMax`, more half-sent bodies than `limits.bodiesBytesMax`, or as many members of presence, WebSub requests or (without a data folder) idempotency keys as there is room for.',
    then: 'Try again after `Retry-After`, with the same idempotency key.',
  },
  draining: {
    when: 'The hub is going away.',
    then: 'Try again at once: another hub, or the same one after its restart, will answer.',
  },
};
