import type { ErrorCode } from '../../packages/protocol/src/index.ts';

/** The reference's text for a code, in addition to the catalogue. */
export interface ErrorGuidance {
  /** When the hub sends it. */
  readonly when: string;
  /** The action of the receiver. */
  readonly then: string;
  /** Additional members of the problem document. */
  readonly members?: Readonly<Record<string, string>>;
}

/** One for every code: the compiler checks that. */
export const ERROR_GUIDANCE: Readonly<Record<ErrorCode, ErrorGuidance>> = {
  invalid_json: {
    when: 'The body, one of its items, or a message is not JSON (RFC 8259).',
    then: 'Correct the publisher. `detail` names the place of the error.',
  },
  invalid_utf8: {
    when: 'Bytes that should be text are not UTF-8. (An escaped half of a surrogate pair, `\\ud800`, is not this error. `data` keeps it. In other members of an event it is `invalid_event`; in a name, reason, type, description or metadata it is `invalid_body`.)',
    then: 'Encode text as UTF-8. Publish bytes as bytes, with their media type.',
  },
  json_too_deep: { when: 'Arrays and objects are nested more than 128 deep.', then: 'Flatten the data.' },
  duplicate_member: {
    when: 'The envelope of an event, a WebSocket operation, or an object anywhere in another body has the same member twice. (Published `data` may have duplicates; the hub keeps it unchanged.)',
    then: 'Send each member once.',
  },
  invalid_body: {
    when: 'A member of the body is missing, unknown or of the wrong kind. The body is not an event, but a key, a revocation or a subscription, for example.',
    then: '`member` names it. See PROTOCOL.md sections 13 and 14.',
    members: { member: 'which one' },
  },
  invalid_event: {
    when: 'A member of the envelope is missing, unknown or of the wrong kind.',
    then: '`detail` names the member. See PROTOCOL.md section 8.',
  },
  invalid_filter: {
    when: 'The filter of a subscription has an unknown operator or an invalid path, or it is too large or too deep.',
    then: '`at` names the place in the filter. See PROTOCOL.md section 14.1.',
    members: { at: 'the place in the filter, as a JSON pointer' },
  },
  invalid_channel: {
    when: 'The name is not a channel name: tokens of `A-Z a-z 0-9 _ -` joined by dots, at most 200 characters.',
    then: 'Correct the name. Clients can subscribe to patterns, but not publish to them.',
  },
  invalid_pattern: {
    when: 'The text is neither a channel nor a pattern.',
    then: 'Use `*` as a whole token, and `>` only as the last one. A pattern has at most 16 tokens, 4 of them `*`.',
  },
  invalid_cursor: {
    when: 'The text is not a cursor of this hub: it was cut, changed or invented.',
    then: 'Send cursors back exactly as the hub sent them, or begin with `earliest` or `now`. An old cursor is not an error: it gets a gap.',
    members: { parameter: 'the parameter with the cursor', header: 'the header with the cursor, if it was in one' },
  },
  invalid_parameter: {
    when: 'A query parameter is unknown, repeated, out of range, or excluded by another one.',
    then: '`parameter` names it.',
    members: { parameter: 'which one' },
  },
  invalid_header: {
    when: 'A header that the hub reads does not have its documented form.',
    then: '`detail` names it.',
  },
  invalid_request: {
    when: 'The bytes are not an HTTP/1.1 request.',
    then: 'Find the client that uses another protocol on this port, such as TLS on a plain port.',
  },
  pipelined_request: {
    when: 'A client requested an event stream or an upgrade while an earlier request on the connection had no response yet.',
    then: 'Send it on a connection of its own, as common clients do.',
  },
  not_in_cluster: {
    when: 'The request changes keys, revocations, portal links or subscriptions, or erases, while a hub of an older version runs in the cluster.',
    then: 'Upgrade the hub that `detail` names. The guide [Cluster](../guides/cluster.md) says what works until then.',
  },
  unsupported_transfer_coding: {
    when: 'The request has a `Transfer-Encoding` other than `chunked`.',
    then: 'Send the body without another coding, with a `Content-Length` or in chunks.',
  },
  invalid_message: {
    when: 'A WebSocket message is not an operation of PROTOCOL.md section 7.3.',
    then: 'Correct the client. The 20th invalid message closes the connection with 4400.',
  },
  channel_missing: {
    when: 'A poll or an event stream names no channel.',
    then: 'Add `channel=` with a channel or a pattern.',
  },
  too_many_channels: {
    when: 'The request names more channels and patterns than `limits.channelsPerConsumerMax`, or its patterns have more than ten times as many tokens.',
    then: 'Use a pattern, or several consumers.',
    members: { limit: 'the limit' },
  },
  unsupported_subprotocol: {
    when: 'A WebSocket request offers subprotocols without `polycast.v1`.',
    then: 'Offer `polycast.v1`, or no subprotocol.',
  },
  signature_missing: {
    when: "A request to `/v1/ingest/{source}` lacks the signature header of the source's provider, or the header has another form.",
    then: 'Compare `provider` in the configuration with the sender, and set a secret at the provider. `header` names the header.',
    members: { header: 'the missing header' },
  },
  signature_invalid: {
    when: 'None of the keys of the source made the signature, over the bytes of the body. The secret differs, or a proxy has changed the body.',
    then: 'Compare the secrets at the provider and in `ingest`. Let no proxy rewrite the body.',
  },
  signature_expired: {
    when: 'The time of the signature differs from the clock of the hub by more than `toleranceSeconds`. It is an old delivery that was sent again, or one of the clocks is wrong.',
    then: 'Synchronise the clock of the hub. The provider signs each of its own attempts with a new time.',
    members: { limit: 'the tolerance in seconds' },
  },
  unauthorized: { when: 'The credentials are missing, wrong or expired.', then: 'Get new credentials and try again.' },
  token_expired: {
    when: 'The token was valid and has expired.',
    then: 'Get a new token from the site, and reconnect with it and with the cursor.',
  },
  forbidden: {
    when: 'The credentials are valid, but they do not allow this.',
    then: 'Change the rules, or use other credentials. `channel` names the refused channel. For servers, `rule` names the rule.',
    members: { channel: 'the refused channel or pattern', rule: 'the rule that decided; only for servers' },
  },
  origin_not_allowed: {
    when: 'The request comes from a page whose origin is not in `allowedOrigins`. Or a page opened from a file asks a hub of `polycast dev` for more than events.',
    then: 'Add the origin to `allowedOrigins`. For pages of the same machine, use `localPages`.',
  },
  not_found: {
    when: 'The path, or the resource it names, does not exist.',
    then: 'Compare the path with the [HTTP reference](http.md).',
  },
  channel_empty: {
    when: 'The channel has no event, or retention has removed them all.',
    then: 'Wait for an event with `wait=`, or subscribe.',
  },
  event_damaged: {
    when: 'The disk of the hub returns other bytes for the newest event of the channel than the hub wrote. A retry does not help.',
    then: 'Publish the value again; it becomes the newest event. The history contains the readable events, and `/healthz` lists `log_damaged`.',
  },
  method_not_allowed: {
    when: 'The path exists, but not with this method.',
    then: 'The header `Allow` lists the methods.',
  },
  not_acceptable: {
    when: '`Accept` excludes both JSON and event streams.',
    then: 'Accept one of the media types in `detail`.',
  },
  request_timeout: {
    when: 'The headers or the body did not arrive within `limits.headersTimeoutMs` or `limits.bodyTimeoutMs`.',
    then: 'Send a smaller body, or send it faster, and try again.',
  },
  idempotency_in_progress: {
    when: 'An earlier request with the same key has no response yet.',
    then: 'Wait a moment and repeat the request.',
  },
  subscription_not_active: {
    when: 'The operation needs another state or another kind of subscription. Examples: a pull from a paused one, a replay of an ended one, a test of a pull subscription. Another is a test or a pause before the endpoint is verified.',
    then: 'Read the subscription; `state` is its state. Resume it, or create another one.',
    members: { state: 'pending, active, paused, suspended or ended' },
  },
  precondition_failed: {
    when: '`If-Match`, `If-None-Match` or `ifMatch` does not hold: the channel has a newer event, or the subscription has changed.',
    then: "Read the channel's newest event, or the subscription, and try again with its id or ETag.",
    members: { latest: "the id of the channel's newest event" },
  },
  body_too_large: {
    when: 'The body is longer than `limits.bodyBytesMax`.',
    then: 'Send less in one request, or send NDJSON, which has no such limit.',
    members: { limit: 'bytes' },
  },
  event_too_large: {
    when: "The event's JSON is longer than its channel's `eventBytesMax`.",
    then: 'Store the large part elsewhere and publish its URL.',
    members: { limit: 'bytes' },
  },
  batch_too_large: {
    when: 'An array contains more than `limits.batchEventsMax` events.',
    then: 'Send several arrays, or NDJSON.',
    members: { limit: 'events' },
  },
  uri_too_long: { when: 'The request line is too long.', then: 'Name fewer channels, or use a pattern.' },
  host_not_allowed: {
    when: 'The hub accepts requests of this machine only (`access: loopback`, `polycast dev`), and the request names another host than `localhost`, 127.0.0.1 or that of `publicUrl`. DNS rebinding looks like this.',
    then: 'Use `http://127.0.0.1`. For a hub that other machines can reach, use `polycast serve`.',
  },
  unsupported_media_type: {
    when: 'The `Content-Type` of `POST /v1/events` is not one of PROTOCOL.md section 8.1.',
    then: 'Send JSON, NDJSON or CloudEvents. Publish data of other types to `/v1/channels/{channel}/events`.',
  },
  idempotency_key_reused: {
    when: 'The key was used within 24 hours for another channel, type or data, or for another subscription.',
    then: 'Use a new key for a new request.',
  },
  endpoint_refused: {
    when: 'The hub may not send to the URL of the webhook because of its scheme, its port or a private address. Or the endpoint did not answer the verification as its dialect requires.',
    then: 'Correct the endpoint, or add it to `outgoing.allow` or `subscriptions.trustedEndpoints`. `category` is the reason.',
    members: {
      category:
        'the reason, named as the outcomes of attempts: `url`, `request`, `destination`; after a verification request also `certificate`, `timeout`, `connection`, `answer`, `refused_status`, `gone`, `slowed_down`, `redirected`',
      member: '`hub.callback`, in answer to a WebSub request',
    },
  },
  config_invalid: {
    when: 'The configuration file, or a file that it names, is not valid. Or a live setting does not fit another changed setting that needs a restart.',
    then: 'Correct the settings in `problems`, check them with `polycast config check`, and reload again. The hub still uses its previous configuration.',
    members: { problems: 'a list of `path` and `message`' },
  },
  event_invalid: {
    when: 'A rule requires events to match the schema of their type. This event does not match it, or its type is not in the catalogue.',
    then: 'Correct the data; `at` names the place. `GET /v1/event-types` returns the schemas.',
    members: { at: 'the place in the data, as a JSON pointer; absent when the error concerns no place in it' },
  },
  upgrade_required: {
    when: 'The `Sec-WebSocket-Version` is not 13.',
    then: 'Use a client that supports version 13 (RFC 6455).',
  },
  too_many_connections: {
    when: 'A user has reached `limits.connectionsPerUserMax`, or an address has reached `limits.connectionsPerAddressMax` or `limits.socketsPerAddressMax`.',
    then: 'Close unused connections, share one connection between tabs, or raise the limit. Behind a proxy, set `trustedProxies`.',
    members: { limit: 'the limit' },
  },
  rate_limited: {
    when: 'The rate of publishes or messages is too high (`publishRatePerSecond` and others). Or `resume` asks for a verification of an endpoint less than 5 s after the last one.',
    then: 'Wait for `Retry-After` and repeat the request.',
    members: { retryAfterMs: 'the time to wait, in milliseconds' },
  },
  headers_too_large: {
    when: 'The request line and the headers are longer than `limits.headerBytesMax`.',
    then: 'Send fewer cookies, or fewer channels.',
  },
  internal_error: {
    when: 'The hub has a fault. Its log contains the details.',
    then: 'Try again later with the same idempotency key, and tell the operator of the hub.',
  },
  channel_limit: {
    when: 'The event needs a new channel, but the log has `limits.channelsMax` channels already (for clients: `limits.clientChannelsPercent` of them).',
    then: 'Raise the limit, or let retention remove old channels.',
  },
  subscription_limit: {
    when: 'The hub already has `subscriptions.subscriptionsMax` subscriptions.',
    then: 'Delete unused subscriptions, or raise the limit.',
  },
  outcome_unknown: {
    when: 'The hub belongs to a cluster, and its brokers did not answer in time. The event may be stored, now or later.',
    then: 'Publish it again with the same idempotency key: then it is stored once. Without a key it may be stored twice.',
  },
  log_unavailable: {
    when: 'The log cannot be written: the disk fails, or the hub is still opening the log.',
    then: 'Try again after `Retry-After` with the same idempotency key. Reading still works.',
  },
  log_full: {
    when: 'The disk has no free space.',
    then: 'Free some space; the hub then recovers by itself. Reading still works.',
  },
  hub_silent: {
    when: 'The request is about a session that this hub of the cluster does not have, or about presence. The hub that may have the answer did not reply in time.',
    then: 'Try again after `Retry-After`. A hub that does not run is no longer asked after five seconds.',
  },
  identity_unavailable: {
    when: 'The identity site does not answer, and the hub has no cached answer for these credentials.',
    then: 'Try again after `Retry-After`.',
  },
  overloaded: {
    when: 'A limit of the hub is reached: `limits.connectionsMax`, `limits.appendQueueBytesMax`, `limits.bodiesBytesMax`, or the limit of presence members or of WebSub requests. Without a data folder, idempotency keys have a limit too.',
    then: 'Try again after `Retry-After` with the same idempotency key.',
  },
  draining: {
    when: 'The hub is shutting down.',
    then: 'Try again immediately. Another hub, or the same one after its restart, answers.',
  },
};
