/**
 * Whether the site is to be asked at all. `closed`: yes. `open`: it has failed too often and is left alone. `trying`: one question is
 * on its way to see whether it is back. Each stretch of time in one state is an era; what was asked in an earlier one no longer tells
 * anything.
 */
export type Breaker =
  | { readonly kind: 'closed'; readonly era: number; readonly failures: number }
  | { readonly kind: 'open'; readonly era: number; readonly untilMs: number }
  | { readonly kind: 'trying'; readonly era: number };

export type BreakerInput =
  /** A question goes out; only where `passes` says so. */
  | { readonly kind: 'asked'; readonly nowMs: number }
  /** One that went out in that era was answered, or not. */
  | { readonly kind: 'answered'; readonly era: number }
  | { readonly kind: 'failed'; readonly era: number; readonly nowMs: number };

export interface BreakerSettings {
  readonly failuresMax: number;
  readonly openMs: number;
}

export const CLOSED: Breaker = { kind: 'closed', era: 0, failures: 0 };

export function passes(breaker: Breaker, nowMs: number): boolean {
  return breaker.kind === 'closed' || (breaker.kind === 'open' && nowMs >= breaker.untilMs);
}

export function step(breaker: Breaker, input: BreakerInput, settings: BreakerSettings): Breaker {
  if (input.kind !== 'asked' && input.era !== breaker.era) return breaker;
  const cell = TABLE[breaker.kind][input.kind] as Cell<Breaker, BreakerInput>;
  return cell(breaker, input, settings);
}

type Cell<From, Input> = (breaker: From, input: Input, settings: BreakerSettings) => Breaker;
type Table = {
  readonly [Kind in Breaker['kind']]: {
    readonly [Input in BreakerInput['kind']]: Cell<
      Extract<Breaker, { kind: Kind }>,
      Extract<BreakerInput, { kind: Input }>
    >;
  };
};

const TABLE: Table = {
  closed: {
    asked: (breaker) => breaker,
    answered: (breaker) => (breaker.failures === 0 ? breaker : { ...breaker, failures: 0 }),
    failed: (breaker, { nowMs }, settings) =>
      breaker.failures + 1 < settings.failuresMax
        ? { ...breaker, failures: breaker.failures + 1 }
        : open(breaker, nowMs, settings),
  },
  open: {
    asked: (breaker, { nowMs }) => (nowMs >= breaker.untilMs ? { kind: 'trying', era: breaker.era + 1 } : breaker),
    // Nothing goes out while it is open.
    answered: (breaker) => breaker,
    failed: (breaker) => breaker,
  },
  trying: {
    asked: (breaker) => breaker,
    answered: ({ era }) => ({ kind: 'closed', era: era + 1, failures: 0 }),
    failed: (breaker, { nowMs }, settings) => open(breaker, nowMs, settings),
  },
};

function open({ era }: Breaker, nowMs: number, { openMs }: BreakerSettings): Breaker {
  return { kind: 'open', era: era + 1, untilMs: nowMs + openMs };
}
