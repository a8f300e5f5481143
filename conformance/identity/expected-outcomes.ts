import { ERRORS, type ErrorCode } from '@polycast/protocol';
import { CALLERS, type Caller, type CallerName } from './callers.ts';
import type { Permission, RouteRow } from './rows.ts';
import type { Outcome } from './access-methods.ts';

export type Outcomes = Readonly<Partial<Record<CallerName, Outcome>>>;

/** The expected outcomes of each caller. */
export function expected(permission: Permission, way?: string, unavailable: readonly CallerName[] = []): Outcomes {
  const cells = CALLERS.map((caller) => {
    const isUnavailable = unavailable.includes(caller.name);
    return [
      caller.name,
      expectedOf(isUnavailable ? { ...caller, credentialsStatus: 'identity_unavailable' } : caller, permission, way),
    ];
  });
  return Object.fromEntries(cells) as Outcomes;
}

/** The same, with the callers who receive the answer for a missing channel. */
export function expectedOfRow({ permission, hiddenFrom = [] }: Pick<RouteRow, 'permission' | 'hiddenFrom'>): Outcomes {
  return { ...expected(permission), ...Object.fromEntries(hiddenFrom.map((name) => [name, 'not_found'])) };
}

/** For `HEAD` only the status is visible. */
export function expectedOf(caller: Caller, permission: Permission, way?: string): Outcome {
  const outcome = expectedCode(caller, permission);
  return way === 'HEAD' && outcome !== 'allowed' ? String(ERRORS[outcome].status) : outcome;
}

/** An anonymous caller gets 401, a known one 403. */
function expectedCode(caller: Caller, permission: Permission): ErrorCode | 'allowed' {
  if (isAllowed(permission, caller)) return 'allowed';
  if (isRefused(caller)) return caller.credentialsStatus;
  return caller.credentialsStatus === 'nobody' ? 'unauthorized' : 'forbidden';
}

export function isAllowed(permission: Permission, caller: Caller): boolean {
  if (permission === 'nothing') return true;
  if (isRefused(caller)) return false;
  return permission === 'entry' || permission.includes(caller.name);
}

function isRefused(caller: Caller): caller is Caller & { readonly credentialsStatus: ErrorCode } {
  return !['nobody', 'user', 'server'].includes(caller.credentialsStatus);
}
