import type { ErrorCode } from '@polycast/protocol';

/**
 * Sections that no case can show, because they need a fault, a configuration or a signal: the test
 * that shows them, and the reason.
 */
export interface CoveredElsewhere {
  /** From the root of the repository. */
  readonly file: string;
  readonly reason: string;
}

const INGEST = 'packages/server/src/ingest/ingest.test.ts';
const SUBSCRIPTIONS = 'packages/server/src/subscriptions/http/subscriptions.test.ts';

export const SECTIONS_COVERED_ELSEWHERE: Readonly<Record<string, CoveredElsewhere>> = {
  '8.8': { file: INGEST, reason: 'needs a configured source' },
  '9.2': { file: 'packages/server/src/http/sockets/pipelining.test.ts', reason: 'needs bytes that no client sends' },
  '9.3': { file: 'conformance/garbage/requests.ts', reason: 'needs bytes that no client sends' },
  '2.4': { file: 'conformance/cluster/hubs.slow.test.ts', reason: 'needs a cluster' },
  '3.5': { file: 'packages/server/src/operate/retention.test.ts', reason: 'needs rules, and a clock that runs fast' },
  '10.3': {
    file: 'packages/server/src/administration/lists.test.ts',
    reason: 'needs keys, and the scope of an operator',
  },
  '5.6': { file: 'conformance/third-party/caches.slow.test.ts', reason: 'needs caches, users and rules' },
  '13.1': { file: 'packages/server/src/administration/administration.test.ts', reason: 'needs rules and keys' },
  '13.2': {
    file: 'packages/server/src/identity/tokens/token-identifier.test.ts',
    reason: 'needs issuers, and a clock that is set',
  },
  '13.3': { file: 'packages/server/src/identity/site/login.test.ts', reason: 'needs a site' },
  '13.4': { file: 'packages/server/src/auth/expiry.test.ts', reason: 'needs tokens and a clock that runs fast' },
  '13.7': {
    file: 'packages/server/src/auth/mid-connection.test.ts',
    reason: 'needs tokens, and limits that can be reached',
  },
  '11.1': { file: 'conformance/protocol/drain.slow.test.ts', reason: 'the hub has to be told to end' },
  '13.8': { file: 'conformance/protocol/http2.slow.test.ts', reason: 'needs a certificate' },
  '13.9': {
    file: 'packages/server/src/administration/console-session.test.ts',
    reason: 'needs keys, tokens and cookies',
  },
  '13.10': { file: 'packages/server/src/administration/session-routes.test.ts', reason: 'needs keys and sessions' },
  '13.11': { file: 'packages/server/src/administration/erasure.test.ts', reason: 'needs keys, queues and attempts' },
  '13.12': { file: 'packages/server/src/cli/commands/operate/why.test.ts', reason: 'needs rules, users and endpoints' },
  '13.5': { file: 'conformance/identity/private-messages.slow.test.ts', reason: 'needs keys and users' },
  '14.1': { file: SUBSCRIPTIONS, reason: 'needs endpoints' },
  '14.2': {
    file: 'packages/server/src/subscriptions/state/lifecycle-in-protocol.test.ts',
    reason: 'its table is held against the code, cell by cell',
  },
  '14.3': {
    file: 'packages/server/src/subscriptions/webhook/request/webhook-request.test.ts',
    reason: 'needs endpoints',
  },
  '6.7': { file: 'packages/server/src/streams/ndjson.test.ts', reason: 'needs a stream of lines' },
  '14.4': {
    file: 'packages/server/src/subscriptions/engine/time-travel.slow.test.ts',
    reason: 'needs endpoints, and days',
  },
  '14.5': {
    file: 'packages/server/src/subscriptions/dialects/verification.test.ts',
    reason: 'needs endpoints',
  },
  '14.7': { file: 'packages/server/src/subscriptions/dialects/websub/deliveries.test.ts', reason: 'needs subscribers' },
  '14.8': { file: 'packages/server/src/subscriptions/dialects/rest-hooks/hooks.test.ts', reason: 'needs endpoints' },
  '14.10': { file: 'packages/server/src/subscriptions/http/portal.test.ts', reason: 'needs owners and links' },
  '14.9': { file: 'packages/server/src/subscriptions/dialects/rest-hooks/hooks.test.ts', reason: 'needs a catalogue' },
  '13.6': { file: 'conformance/identity/presence.slow.test.ts', reason: 'needs rules, users and a restart' },
};

export const CODES_COVERED_ELSEWHERE: Readonly<Partial<Record<ErrorCode, CoveredElsewhere>>> = {
  signature_missing: { file: INGEST, reason: 'needs a configured source' },
  signature_invalid: { file: INGEST, reason: 'needs a configured source' },
  signature_expired: { file: INGEST, reason: 'needs a configured source' },
  event_damaged: {
    file: 'conformance/durability/damaged-log.slow.test.ts',
    reason: 'needs a disk that changes a stored event',
  },
  not_in_cluster: {
    file: 'packages/server/src/storage/contract/cluster/cluster-erasure.test.ts',
    reason: 'needs a cluster with a hub of an older version',
  },
  hub_silent: { file: 'conformance/cluster/sessions.slow.test.ts', reason: 'needs a cluster' },
  outcome_unknown: {
    file: 'packages/server/src/storage/contract/cluster/cluster-log.test.ts',
    reason: 'needs a journal whose answer is lost',
  },
  config_invalid: {
    file: 'conformance/reload/live-settings.slow.test.ts',
    reason: 'needs a file of the configuration that can be changed',
  },
  invalid_request: { file: 'conformance/garbage/requests.ts', reason: 'no HTTP client sends it' },
  pipelined_request: {
    file: 'packages/server/src/http/sockets/pipelining.test.ts',
    reason: 'needs requests that no client sends',
  },
  unsupported_transfer_coding: { file: 'conformance/garbage/requests.ts', reason: 'no HTTP client sends it' },
  request_timeout: { file: 'conformance/garbage/slow-clients.slow.test.ts', reason: 'it takes time' },
  unauthorized: { file: 'packages/server/src/http/refusals.test.ts', reason: 'needs an authority that refuses' },
  token_expired: { file: 'packages/server/src/http/refusals.test.ts', reason: 'needs a token of its own issuer' },
  identity_unavailable: {
    file: 'packages/server/src/http/refusals.test.ts',
    reason: 'needs a site that does not answer',
  },
  forbidden: { file: 'packages/server/src/http/refusals.test.ts', reason: 'needs an authority that refuses' },
  host_not_allowed: {
    file: 'packages/server/src/http/refusals.test.ts',
    reason: 'needs a hub that answers to loopback names only',
  },
  too_many_connections: {
    file: 'packages/server/src/auth/connection-quota.test.ts',
    reason: 'needs a hub with so low a limit that few connections reach it',
  },
  channel_limit: { file: 'packages/server/src/http/refusals.test.ts', reason: 'needs a hub that is full' },
  invalid_filter: { file: 'packages/server/src/subscriptions/state/filter.test.ts', reason: 'needs a subscription' },
  endpoint_refused: { file: SUBSCRIPTIONS, reason: 'needs endpoints' },
  event_invalid: { file: 'packages/server/src/core/events/event-types.test.ts', reason: 'needs a catalogue' },
  subscription_limit: { file: SUBSCRIPTIONS, reason: 'needs a hub with a low limit' },
  log_unavailable: { file: 'packages/server/src/http/refusals.test.ts', reason: 'needs a log that fails' },
  log_full: { file: 'conformance/durability/full-disk.slow.test.ts', reason: 'needs a full disk' },
  overloaded: {
    file: 'conformance/garbage/limits.slow.test.ts',
    reason: 'needs as many connections as the hub may have',
  },
  draining: { file: 'conformance/protocol/drain.slow.test.ts', reason: 'the hub has to be told to end' },
  internal_error: { file: 'packages/server/src/http/refusals.test.ts', reason: 'must not happen' },
  idempotency_in_progress: {
    file: 'packages/server/src/storage/contract/log/append.ts',
    reason:
      'for a log of several hubs; one with a log of its own decides at once, and its second publisher gets the first answer',
  },
};
