import { ERRORS, type ErrorCode } from '@polycast/protocol';
import { CALLERS, type Caller, type CallerName } from './callers.ts';
import type { Asks, RouteRow } from './rows.ts';
import type { Outcome } from './ways.ts';

export type Outcomes = Readonly<Partial<Record<CallerName, Outcome>>>;

/** What the tables say of each caller. */
export function expected(asks: Asks, way?: string, unavailable: readonly CallerName[] = []): Outcomes {
  const cells = CALLERS.map((caller) => {
    const isUnavailable = unavailable.includes(caller.name);
    return [
      caller.name,
      expectedOf(isUnavailable ? { ...caller, standing: 'identity_unavailable' } : caller, asks, way),
    ];
  });
  return Object.fromEntries(cells) as Outcomes;
}

/** The same, with those to whom it is as if there were nothing. */
export function expectedOfRow({ asks, hiddenFrom = [] }: Pick<RouteRow, 'asks' | 'hiddenFrom'>): Outcomes {
  return { ...expected(asks), ...Object.fromEntries(hiddenFrom.map((name) => [name, 'not_found'])) };
}

/** Of `HEAD` the status is all that is seen. */
export function expectedOf(caller: Caller, asks: Asks, way?: string): Outcome {
  const outcome = verdict(caller, asks);
  return way === 'HEAD' && outcome !== 'allowed' ? String(ERRORS[outcome].status) : outcome;
}

/** Who is not known is asked who they are; who is known is told that it is not enough. */
function verdict(caller: Caller, asks: Asks): ErrorCode | 'allowed' {
  if (isAllowed(asks, caller)) return 'allowed';
  if (isRefused(caller)) return caller.standing;
  return caller.standing === 'nobody' ? 'unauthorized' : 'forbidden';
}

export function isAllowed(asks: Asks, caller: Caller): boolean {
  if (asks === 'nothing') return true;
  if (isRefused(caller)) return false;
  return asks === 'entry' || asks.includes(caller.name);
}

function isRefused(caller: Caller): caller is Caller & { readonly standing: ErrorCode } {
  return !['nobody', 'user', 'server'].includes(caller.standing);
}
