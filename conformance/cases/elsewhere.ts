import type { ErrorCode } from '@polycast/protocol';

/** What no case can show, because it needs a fault, a configuration or a signal: the test that does, and why. */
export interface Elsewhere {
  /** From the root of the repository. */
  readonly file: string;
  readonly why: string;
}

const SUBSCRIPTIONS = 'packages/server/src/subscriptions/subscriptions.test.ts';

export const SECTIONS_ELSEWHERE: Readonly<Record<string, Elsewhere>> = {
  '9.2': { file: 'packages/server/src/transports/pipelining.test.ts', why: 'needs bytes that no client sends' },
  '9.3': { file: 'conformance/garbage/requests.ts', why: 'needs bytes that no client sends' },
  '3.5': { file: 'packages/server/src/operate/retention.test.ts', why: 'needs rules, and a clock that runs fast' },
  '10.3': { file: 'packages/server/src/administration/lists.test.ts', why: 'needs keys, and the scope of an operator' },
  '5.6': { file: 'conformance/third-party/caches.slow.test.ts', why: 'needs caches, users and rules' },
  '13.1': { file: 'packages/server/src/administration/administration.test.ts', why: 'needs rules and keys' },
  '13.2': {
    file: 'packages/server/src/identity/tokens/token-identifier.test.ts',
    why: 'needs issuers, and a clock that is set',
  },
  '13.3': { file: 'packages/server/src/identity/site/login.test.ts', why: 'needs a site' },
  '13.4': { file: 'packages/server/src/transports/expiry.test.ts', why: 'needs tokens and a clock that runs fast' },
  '13.7': {
    file: 'packages/server/src/transports/identity.test.ts',
    why: 'needs tokens, and limits that can be reached',
  },
  '11.1': { file: 'conformance/drain.slow.test.ts', why: 'the hub has to be told to end' },
  '13.8': { file: 'conformance/http2.slow.test.ts', why: 'needs a certificate' },
  '13.5': { file: 'conformance/identity/private-messages.slow.test.ts', why: 'needs keys and users' },
  '14.1': { file: SUBSCRIPTIONS, why: 'needs endpoints' },
  '14.2': {
    file: 'packages/server/src/core/subscription/standing-in-protocol.test.ts',
    why: 'its table is held against the code, cell by cell',
  },
  '14.3': { file: 'packages/server/src/deliveries/webhook/request.test.ts', why: 'needs endpoints' },
  '14.4': { file: 'packages/server/src/deliveries/time-travel.slow.test.ts', why: 'needs endpoints, and days' },
  '14.5': { file: 'packages/server/src/deliveries/webhook/consent.test.ts', why: 'needs endpoints' },
  '14.7': { file: 'packages/server/src/subscriptions/websub/deliveries.test.ts', why: 'needs subscribers' },
  '14.8': { file: 'packages/server/src/subscriptions/rest-hooks/hooks.test.ts', why: 'needs endpoints' },
  '14.9': { file: 'packages/server/src/subscriptions/rest-hooks/hooks.test.ts', why: 'needs a catalogue' },
  '13.6': { file: 'conformance/identity/presence.slow.test.ts', why: 'needs rules, users and a restart' },
};

export const CODES_ELSEWHERE: Readonly<Partial<Record<ErrorCode, Elsewhere>>> = {
  event_damaged: { file: 'conformance/damaged-log.slow.test.ts', why: 'needs a disk that changes a stored event' },
  invalid_request: { file: 'conformance/garbage/requests.ts', why: 'no HTTP client sends it' },
  pipelined_request: {
    file: 'packages/server/src/transports/pipelining.test.ts',
    why: 'needs requests that no client sends',
  },
  unsupported_transfer_coding: { file: 'conformance/garbage/requests.ts', why: 'no HTTP client sends it' },
  request_timeout: { file: 'conformance/garbage/slow-clients.slow.test.ts', why: 'it takes time' },
  unauthorized: { file: 'packages/server/src/transports/refusals.test.ts', why: 'needs an authority that refuses' },
  token_expired: { file: 'packages/server/src/transports/refusals.test.ts', why: 'needs a token of its own issuer' },
  identity_unavailable: {
    file: 'packages/server/src/transports/refusals.test.ts',
    why: 'needs a site that does not answer',
  },
  forbidden: { file: 'packages/server/src/transports/refusals.test.ts', why: 'needs an authority that refuses' },
  host_not_allowed: {
    file: 'packages/server/src/transports/refusals.test.ts',
    why: 'needs a hub that answers to loopback names only',
  },
  too_many_connections: {
    file: 'packages/server/src/transports/admission.test.ts',
    why: 'needs a hub with so low a limit that few connections reach it',
  },
  channel_limit: { file: 'packages/server/src/transports/refusals.test.ts', why: 'needs a hub that is full' },
  invalid_filter: { file: 'packages/server/src/core/subscription/filter.test.ts', why: 'needs a subscription' },
  endpoint_refused: { file: SUBSCRIPTIONS, why: 'needs endpoints' },
  event_invalid: { file: 'packages/server/src/core/event-types.test.ts', why: 'needs a catalogue' },
  subscription_limit: { file: SUBSCRIPTIONS, why: 'needs a hub with a low limit' },
  log_unavailable: { file: 'packages/server/src/transports/refusals.test.ts', why: 'needs a log that fails' },
  log_full: { file: 'conformance/full-disk.slow.test.ts', why: 'needs a full disk' },
  overloaded: { file: 'conformance/garbage/limits.slow.test.ts', why: 'needs as many connections as the hub may have' },
  draining: { file: 'conformance/drain.slow.test.ts', why: 'the hub has to be told to end' },
  internal_error: { file: 'packages/server/src/transports/refusals.test.ts', why: 'must not happen' },
  idempotency_in_progress: {
    file: 'packages/server/src/log/contract/append.ts',
    why: 'for a log of several hubs; one with a log of its own decides at once, and its second publisher gets the first answer',
  },
};
