import { PolycastError } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AuthorityDecision } from '../core/ports.ts';
import type { Action, Principal, Scope } from '../core/access/principal.ts';
import { RequestCredentials } from './credentials.ts';
import type { Services } from '../http/services.ts';

/** Who sends a request. @param token of `?token=` */
export function identify(
  services: Services,
  request: IncomingMessage,
  token: string | undefined,
): Principal | Promise<Principal> {
  const { authority, settings } = services;
  // Most requests of an open hub, and of public pages.
  if (
    authority.defaultPrincipal !== undefined &&
    token === undefined &&
    hasNoCredentials(request.headers, settings.credentialHeaders)
  )
    return authority.defaultPrincipal;
  return authority.identify(new RequestCredentials(services, request, token));
}

/** What was found out of somebody a while ago may no longer hold: then the error that says so. */
export function credentialsError({ authority, clock }: Services, principal: Principal): PolycastError | undefined {
  if (principal.kind === 'anonymous') return undefined;
  // Looking at the clock costs more than all the rest of this.
  if (principal.expiresMs !== Infinity && principal.expiresMs <= clock.nowMs())
    return new PolycastError('token_expired');
  return authority.isStillValid?.(principal) === false
    ? new PolycastError('unauthorized', 'These credentials have been revoked.')
    : undefined;
}

/**
 * To be asked again after every wait, in the turn of the effect.
 * @throws PolycastError `token_expired`, `unauthorized`
 */
export function checkCredentials(services: Services, principal: Principal): void {
  const error = credentialsError(services, principal);
  if (error !== undefined) throw error;
}

function hasNoCredentials(headers: IncomingHttpHeaders, credentialHeaders: readonly string[]): boolean {
  return (
    headers.authorization === undefined &&
    headers.cookie === undefined &&
    credentialHeaders.every((name) => headers[name] === undefined)
  );
}

/** Asks for each pattern; throws the first refusal. */
export function authorize(
  services: Services,
  principal: Principal,
  action: Action,
  patterns: readonly string[],
): void | Promise<void> {
  let pending: Promise<void>[] | undefined;
  for (const pattern of patterns) {
    const decision = services.authority.decide(principal, action, pattern);
    if (decision instanceof Promise)
      (pending ??= []).push(decision.then((later) => throwUnlessAllowed(later, principal, action, pattern)));
    else if (!decision.allowed) throw new AccessError(decision, { principal, action, channel: pattern });
  }
  return pending === undefined ? undefined : Promise.all(pending).then(() => undefined);
}

/** Refuses who may do this nowhere, whatever the channel. @throws AccessError */
export function authorizeAnyChannel({ authority }: Services, principal: Principal, action: Action): void {
  if (authority.mightAllow?.(principal, action) !== false) return;
  const code = principal.kind === 'anonymous' ? 'unauthorized' : 'forbidden';
  const decision = {
    allowed: false,
    code,
    detail: 'There is no channel for which this is allowed.',
    by: 'the rules',
  } as const;
  throw new AccessError(decision, { principal, action, channel: undefined });
}

function throwUnlessAllowed(decision: AuthorityDecision, principal: Principal, action: Action, channel: string): void {
  if (!decision.allowed) throw new AccessError(decision, { principal, action, channel });
}

/** Asks for a scope, and, if channels are given, for a scope that covers them. @throws AccessError */
export function checkScope(
  { authority }: Services,
  principal: Principal,
  scope: Scope,
  channels?: readonly string[],
): void {
  const decision = authority.hasScope(principal, scope, channels);
  if (!decision.allowed) throw new AccessError(decision, { principal, action: scope, channel: channels?.join(' ') });
}

type DeniedDecision = Extract<AuthorityDecision, { readonly allowed: false }>;

/** What was asked for, and by whom. */
export interface AccessRequest {
  readonly principal: Principal;
  readonly action: Action | Scope;
  readonly channel: string | undefined;
}

/**
 * Somebody may not do something. It holds what operators look for; only servers are told the rule: its pattern, and the claim that it
 * asks for, are nobody else's business. All are told the channel that they have named, which tells a refusal of what was asked for from
 * one of the credentials.
 */
export class AccessError extends PolycastError {
  readonly request: AccessRequest;
  readonly rule: string | undefined;
  readonly needs: string | undefined;

  constructor({ code, detail, by, needs }: DeniedDecision, wanted: AccessRequest) {
    const isDisclosed = wanted.principal.kind === 'server' && by !== undefined;
    super(code, isDisclosed && needs !== undefined ? `${detail} It takes ${needs}, by ${by}.` : detail, {
      ...(wanted.channel === undefined ? {} : { channel: wanted.channel }),
      ...(isDisclosed ? { rule: by } : {}),
    });
    this.request = wanted;
    this.rule = by;
    this.needs = needs;
  }
}
