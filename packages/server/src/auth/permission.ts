import { PolycastError } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AuthorityDecision } from '../core/access/authority.ts';
import type { Action, Principal, Scope } from '../core/access/principal.ts';
import { AccessError } from './access-error.ts';
import type { AuthParts } from './auth-parts.ts';
import { RequestCredentials } from './credentials.ts';

/**
 * Identifies the caller of a request.
 * @param token the value of `?token=`
 */
export function identify(
  parts: AuthParts,
  request: IncomingMessage,
  token: string | undefined,
): Principal | Promise<Principal> {
  const { authority, settings } = parts;
  // The fast path: most requests to an open hub, or for public pages.
  if (
    authority.defaultPrincipal !== undefined &&
    token === undefined &&
    hasNoCredentials(request.headers, settings.credentialHeaders)
  )
    return authority.defaultPrincipal;
  return authority.identify(new RequestCredentials(parts, request, token));
}

/**
 * The error of credentials that have expired or been revoked since the request began; `undefined`
 * if they are still valid.
 */
export function credentialsError(
  { authority, clock }: Pick<AuthParts, 'authority' | 'clock'>,
  principal: Principal,
): PolycastError | undefined {
  if (principal.kind === 'anonymous') return undefined;
  // Reading the clock costs more than the rest of this function. Credentials without an expiry skip
  // it.
  if (principal.expiresMs !== Infinity && principal.expiresMs <= clock.nowMs())
    return new PolycastError('token_expired');
  return authority.isStillValid?.(principal) === false
    ? new PolycastError('unauthorized', 'These credentials have been revoked.')
    : undefined;
}

/**
 * Checks the credentials again. Call it after every wait, in the turn of the effect.
 * @throws PolycastError `token_expired`, `unauthorized`
 */
export function checkCredentials(parts: AuthParts, principal: Principal): void {
  const error = credentialsError(parts, principal);
  if (error !== undefined) throw error;
}

function hasNoCredentials(headers: IncomingHttpHeaders, credentialHeaders: readonly string[]): boolean {
  return (
    headers.authorization === undefined &&
    headers.cookie === undefined &&
    credentialHeaders.every((name) => headers[name] === undefined)
  );
}

/** Authorizes each pattern. Throws the first refusal, or rejects with it. */
export function authorize(
  parts: AuthParts,
  principal: Principal,
  action: Action,
  patterns: readonly string[],
): void | Promise<void> {
  let pending: Promise<void>[] | undefined;
  for (const pattern of patterns) {
    const decision = parts.authority.decide(principal, action, pattern);
    if (decision instanceof Promise)
      (pending ??= []).push(decision.then((later) => throwUnlessAllowed(later, principal, action, pattern)));
    else if (!decision.allowed) throw new AccessError(decision, { principal, action, channel: pattern });
  }
  return pending === undefined ? undefined : Promise.all(pending).then(() => undefined);
}

/** Refuses a caller that may do this on no channel at all. @throws AccessError */
export function authorizeAnyChannel({ authority }: AuthParts, principal: Principal, action: Action): void {
  if (authority.mightAllow?.(principal, action) !== false) return;
  const code = principal.kind === 'anonymous' ? 'unauthorized' : 'forbidden';
  const decision = {
    allowed: false,
    code,
    detail: 'The credentials allow this for no channel.',
    by: 'the rules',
  } as const;
  throw new AccessError(decision, { principal, action, channel: undefined });
}

function throwUnlessAllowed(decision: AuthorityDecision, principal: Principal, action: Action, channel: string): void {
  if (!decision.allowed) throw new AccessError(decision, { principal, action, channel });
}

/** Checks a scope; with channels, the scope has to cover them. @throws AccessError */
export function checkScope(
  { authority }: AuthParts,
  principal: Principal,
  scope: Scope,
  channels?: readonly string[],
): void {
  const decision = authority.hasScope(principal, scope, channels);
  if (!decision.allowed) throw new AccessError(decision, { principal, action: scope, channel: channels?.join(' ') });
}
