import type { ErrorCode } from '@polycast/protocol';
import type { DescribedRoute } from '../route.ts';
import type { RouteDescription } from '../route-description.ts';

/** The errors that any request may receive. */
export const COMMON_ERRORS: readonly ErrorCode[] = [
  'invalid_header',
  'invalid_request',
  'pipelined_request',
  'origin_not_allowed',
  'request_timeout',
  'uri_too_long',
  'host_not_allowed',
  'too_many_connections',
  'headers_too_large',
  'internal_error',
  'unsupported_transfer_coding',
  'overloaded',
];

/**
 * The errors of a route that takes credentials.
 * A hub of a cluster may have to ask the journal before it answers.
 */
const CREDENTIAL_ERRORS: readonly ErrorCode[] = [
  'not_in_cluster',
  'log_unavailable',
  'unauthorized',
  'token_expired',
  'forbidden',
  'identity_unavailable',
  'draining',
];
/** The errors of a route that changes something and takes a small JSON object. */
const CHANGE_ERRORS: readonly ErrorCode[] = [
  'origin_not_allowed',
  'invalid_json',
  'duplicate_member',
  'invalid_utf8',
  'invalid_body',
  'body_too_large',
  'unsupported_media_type',
  'request_timeout',
  'overloaded',
  'log_full',
  'outcome_unknown',
];

/** All errors of a route: those of its kind, and those that its description names. */
export function errorsOf(route: DescribedRoute, { errors = [] }: RouteDescription): readonly ErrorCode[] {
  if (route.requires === undefined || route.requires === 'nothing') return errors;
  const ofChanges = route.method === 'GET' || route.requires === 'entry' ? [] : CHANGE_ERRORS;
  const ofResources: readonly ErrorCode[] = /:(?:id|event)\b/.test(route.path) ? ['not_found'] : [];
  return [...CREDENTIAL_ERRORS, ...ofChanges, ...ofResources, ...errors];
}
