import { PolycastError } from '@polycast/protocol';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Action, Principal } from '../core/principal.ts';
import { RequestCredentials } from './credentials.ts';
import type { Services } from './services.ts';

/** Who sends a request. @param token of `?token=` */
export function identify(
  services: Services,
  request: IncomingMessage,
  token: string | undefined,
): Principal | Promise<Principal> {
  const { authority, settings } = services;
  // Most requests of an open hub, and of public pages.
  if (
    authority.nobody !== undefined &&
    token === undefined &&
    showsNothing(request.headers, settings.credentialHeaders)
  )
    return authority.nobody;
  return authority.identify(new RequestCredentials(services, request, token));
}

/** What was found out of somebody a while ago may no longer hold: then the error that says so. */
export function standingOf({ authority, clock }: Services, principal: Principal): PolycastError | undefined {
  if (principal.kind === 'anonymous') return undefined;
  if (principal.expiresMs <= clock.nowMs()) return new PolycastError('token_expired');
  return authority.stands?.(principal) === false
    ? new PolycastError('unauthorized', 'These credentials have been revoked.')
    : undefined;
}

/** @throws PolycastError `token_expired`, `unauthorized` */
export function checkStanding(services: Services, principal: Principal): void {
  const error = standingOf(services, principal);
  if (error !== undefined) throw error;
}

function showsNothing(headers: IncomingHttpHeaders, credentialHeaders: readonly string[]): boolean {
  return (
    headers.authorization === undefined &&
    headers.cookie === undefined &&
    credentialHeaders.every((name) => headers[name] === undefined)
  );
}

/** Asks for each pattern; throws the first refusal. */
export function allow(
  services: Services,
  principal: Principal,
  action: Action,
  patterns: readonly string[],
): void | Promise<void> {
  let waiting: Promise<void>[] | undefined;
  for (const pattern of patterns) {
    const decision = services.authority.decide(principal, action, pattern);
    if (decision instanceof Promise) (waiting ??= []).push(decision.then(refuse));
    else refuse(decision);
  }
  return waiting === undefined ? undefined : Promise.all(waiting).then(() => undefined);
}

function refuse(decision: Awaited<ReturnType<Services['authority']['decide']>>): void {
  if (!decision.allowed) throw new PolycastError(decision.code, decision.detail, ruleOf(decision.by));
}

function ruleOf(by: string | undefined): { readonly rule: string } | undefined {
  return by === undefined ? undefined : { rule: by };
}
