/**
 * The catalogue of all errors (PROTOCOL.md section 9). A code never changes its meaning. On HTTP it
 * arrives as an RFC 9457 problem document; on a WebSocket in the answer to the operation or as the
 * close code.
 */
export interface ErrorKind {
  /** The HTTP status. */
  readonly status: number;
  /** One sentence, the same each time. `detail` has the particulars of a case. */
  readonly title: string;
  /** Whether the same request can succeed later without a change. */
  readonly retryable: boolean;
}

export const ERRORS: Readonly<Record<ErrorCode, ErrorKind>> = {
  invalid_json: kind(400, 'The body is not valid JSON.'),
  invalid_utf8: kind(400, 'The text is not valid UTF-8.'),
  json_too_deep: kind(400, 'The JSON is nested too deeply.'),
  duplicate_member: kind(400, 'A member occurs twice.'),
  invalid_body: kind(400, 'The body does not match its documented form.'),
  invalid_event: kind(400, 'The event does not match its documented form.'),
  invalid_filter: kind(400, 'The filter does not match its documented form.'),
  invalid_channel: kind(400, 'The channel name is not valid.'),
  invalid_pattern: kind(400, 'The channel pattern is not valid.'),
  invalid_cursor: kind(400, 'The cursor is not valid.'),
  invalid_parameter: kind(400, 'A parameter is not valid.'),
  invalid_header: kind(400, 'A request header is not valid.'),
  invalid_request: kind(400, 'The request is not valid HTTP.'),
  pipelined_request: kind(400, 'An event stream or an upgrade cannot be pipelined behind another request.'),
  invalid_message: kind(400, 'The message is not one of the documented operations.'),
  channel_missing: kind(400, 'The request names no channel.'),
  too_many_channels: kind(400, 'The request names more channels than one consumer may have.'),
  unsupported_subprotocol: kind(400, 'The hub supports none of the offered WebSocket subprotocols.'),
  signature_missing: kind(400, 'The webhook has no signature that the hub can verify.'),
  unauthorized: kind(401, 'Credentials are missing or not valid.'),
  token_expired: kind(401, 'The token has expired.'),
  forbidden: kind(403, 'The credentials do not allow this.'),
  signature_invalid: kind(403, 'The signature of the webhook is not valid.'),
  signature_expired: kind(403, 'The time of the signature is too far from the time of the hub.'),
  origin_not_allowed: kind(403, 'Requests from this origin are not allowed.'),
  not_found: kind(404, 'The resource does not exist.'),
  channel_empty: kind(404, 'The channel has no event.'),
  method_not_allowed: kind(405, 'The resource does not allow this method.'),
  not_acceptable: kind(406, 'The hub can produce none of the accepted media types.'),
  request_timeout: kind(408, 'The request did not arrive in time.', true),
  idempotency_in_progress: kind(409, 'A request with this idempotency key is still in progress.', true),
  subscription_not_active: kind(409, 'The state of the subscription does not allow this.'),
  precondition_failed: kind(412, 'The resource has changed since.'),
  body_too_large: kind(413, 'The body is too large.'),
  event_too_large: kind(413, 'The event is too large for its channel.'),
  batch_too_large: kind(413, 'The batch contains too many events.'),
  uri_too_long: kind(414, 'The URL is too long.'),
  host_not_allowed: kind(421, 'The hub does not accept requests for this host name.'),
  unsupported_media_type: kind(415, 'The hub does not support the media type of the body.'),
  idempotency_key_reused: kind(422, 'The idempotency key was already used for a different request.'),
  endpoint_refused: kind(422, 'The endpoint failed its verification, or the hub may not send to it.'),
  config_invalid: kind(422, 'The configuration is not valid. Nothing has changed.'),
  event_invalid: kind(422, 'The data does not match the schema of its type.'),
  upgrade_required: kind(426, 'The hub does not support this version of the WebSocket protocol.'),
  too_many_connections: kind(429, 'The user or the address has too many open connections.', true),
  rate_limited: kind(429, 'The rate limit is exceeded.', true),
  headers_too_large: kind(431, 'The request headers are too large.'),
  event_damaged: kind(500, 'The event is damaged on the disk of the hub and cannot be read.'),
  internal_error: kind(500, 'The hub failed. The failure is in its log.', true),
  not_in_cluster: kind(501, 'A hub of a cluster does not offer this yet.'),
  unsupported_transfer_coding: kind(501, 'The hub supports no transfer coding except chunked.'),
  channel_limit: kind(503, 'The hub has reached its limit of channels.', true),
  subscription_limit: kind(503, 'The hub has reached its limit of subscriptions.', true),
  outcome_unknown: kind(503, 'The hub cannot tell whether the event was stored.', true),
  log_unavailable: kind(503, 'The log cannot be written at the moment. Nothing was stored.', true),
  log_full: kind(503, 'The disk is full. Nothing was stored.', true),
  hub_silent: kind(503, 'A hub of the cluster did not reply.', true),
  identity_unavailable: kind(503, 'The identity of the caller cannot be determined at the moment.', true),
  overloaded: kind(503, 'The hub is overloaded.', true),
  draining: kind(503, 'The hub is shutting down. Try again immediately.', true),
};

export type ErrorCode =
  | 'invalid_json'
  | 'invalid_utf8'
  | 'json_too_deep'
  | 'duplicate_member'
  | 'invalid_body'
  | 'invalid_event'
  | 'invalid_filter'
  | 'invalid_channel'
  | 'invalid_pattern'
  | 'invalid_cursor'
  | 'invalid_parameter'
  | 'invalid_header'
  | 'invalid_request'
  | 'pipelined_request'
  | 'invalid_message'
  | 'channel_missing'
  | 'too_many_channels'
  | 'unsupported_subprotocol'
  | 'signature_missing'
  | 'unauthorized'
  | 'token_expired'
  | 'forbidden'
  | 'signature_invalid'
  | 'signature_expired'
  | 'origin_not_allowed'
  | 'not_found'
  | 'channel_empty'
  | 'method_not_allowed'
  | 'not_acceptable'
  | 'request_timeout'
  | 'idempotency_in_progress'
  | 'subscription_not_active'
  | 'precondition_failed'
  | 'body_too_large'
  | 'event_too_large'
  | 'batch_too_large'
  | 'uri_too_long'
  | 'host_not_allowed'
  | 'unsupported_media_type'
  | 'idempotency_key_reused'
  | 'endpoint_refused'
  | 'config_invalid'
  | 'event_invalid'
  | 'upgrade_required'
  | 'too_many_connections'
  | 'rate_limited'
  | 'headers_too_large'
  | 'event_damaged'
  | 'internal_error'
  | 'not_in_cluster'
  | 'unsupported_transfer_coding'
  | 'channel_limit'
  | 'subscription_limit'
  | 'outcome_unknown'
  | 'log_unavailable'
  | 'log_full'
  | 'hub_silent'
  | 'identity_unavailable'
  | 'overloaded'
  | 'draining';

/** An RFC 9457 problem document, `application/problem+json`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail?: string;
  readonly retryable: boolean;
  /**
   * Members that the documentation of the code describes: `parameter`, `offset`, `limit`, `latest`,
   * `retryAfterMs`.
   */
  readonly [extension: string]: unknown;
}

/** The prefix of the address of each code's documentation. */
export const ERROR_TYPE_PREFIX: string = 'https://polycast.dev/errors/';

export function problem(code: ErrorCode, detail?: string, extensions?: Readonly<Record<string, unknown>>): Problem {
  const { status, title, retryable } = ERRORS[code];
  return {
    type: ERROR_TYPE_PREFIX + code,
    title,
    status,
    code,
    ...(detail === undefined ? {} : { detail }),
    retryable,
    ...extensions,
  };
}

/**
 * The error that a layer throws or returns to refuse: the only error type that reaches a caller.
 */
export class PolycastError extends Error {
  override readonly name = 'PolycastError';
  readonly code: ErrorCode;
  readonly extensions: Readonly<Record<string, unknown>> | undefined;

  /** @param options its `cause` is for logs, and is not part of the problem document */
  constructor(
    code: ErrorCode,
    detail?: string,
    extensions?: Readonly<Record<string, unknown>>,
    options?: { readonly cause: unknown },
  ) {
    super(detail ?? ERRORS[code].title, options);
    this.code = code;
    this.extensions = extensions;
  }

  /** For logs: with the cause, which no client receives. */
  override toString(): string {
    const text = `${this.name}: ${this.message}`;
    return this.cause === undefined ? text : `${text} Cause: ${String(this.cause)}`;
  }

  get problem(): Problem {
    const { title } = ERRORS[this.code];
    return problem(this.code, this.message === title ? undefined : this.message, this.extensions);
  }
}

function kind(status: number, title: string, retryable = false): ErrorKind {
  return { status, title, retryable };
}
