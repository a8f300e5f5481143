/**
 * Whether the site is to be asked at all. `closed`: yes. `open`: it has failed too often and is left alone. `trying`: one question is
 * on its way to see whether it is back. Each stretch of time in one state is an era; what was asked in an earlier one no longer tells
 * anything.
 */
export type Breaker =
  | {
      readonly kind: 'closed';
      readonly era: number;
      readonly failures: number;
      /** Who asked what was not answered in this row, as far as that tells whose failures they are: two of them at most. */
      readonly clients: readonly string[];
      /** Something failed in this row that cannot be the question's fault. */
      readonly isSure: boolean;
    }
  | { readonly kind: 'open'; readonly era: number; readonly untilMs: number }
  | { readonly kind: 'trying'; readonly era: number };

export type BreakerInput =
  /** A question goes out; only where `passes` says so. */
  | { readonly kind: 'asked'; readonly nowMs: number }
  /** One that went out in that era was answered, or not. */
  | { readonly kind: 'answered'; readonly era: number }
  | {
      readonly kind: 'failed';
      readonly era: number;
      readonly nowMs: number;
      /** Who asked it, where it may be the question's fault: one client's questions alone do not open it. */
      readonly client?: string | undefined;
    };

export interface BreakerSettings {
  readonly failuresMax: number;
  /** What it takes beside their number: failures that are surely the site's, or, while nothing is known to ask that with, those of several clients. */
  readonly opensFor: 'sure' | 'clients';
  readonly openMs: number;
}

export const CLOSED: Breaker = closed(0);

/** Failures of so many clients are no longer those of their questions. */
const CLIENTS_MIN = 2;

/** There have been enough failures, but they may all be the fault of what was asked: the site is to be tried with something else. */
export function isSuspect(breaker: Breaker, { failuresMax }: Pick<BreakerSettings, 'failuresMax'>): boolean {
  return breaker.kind === 'closed' && breaker.failures >= failuresMax;
}

export function allowsRequest(breaker: Breaker, nowMs: number): boolean {
  return breaker.kind === 'closed' || (breaker.kind === 'open' && nowMs >= breaker.untilMs);
}

export function transition(breaker: Breaker, input: BreakerInput, settings: BreakerSettings): Breaker {
  if (input.kind !== 'asked' && input.era !== breaker.era) return breaker;
  const cell = TRANSITIONS[breaker.kind][input.kind] as Cell<Breaker, BreakerInput>;
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

const TRANSITIONS: Table = {
  closed: {
    asked: (breaker) => breaker,
    answered: (breaker) => (breaker.failures === 0 ? breaker : closed(breaker.era)),
    failed: (breaker, { nowMs, client }, settings) => {
      const { failuresMax, opensFor } = settings;
      const failures = breaker.failures + 1;
      const isSure = breaker.isSure || client === undefined;
      const isNew = client !== undefined && !breaker.clients.includes(client) && breaker.clients.length < CLIENTS_MIN;
      const clients = isNew ? [...breaker.clients, client] : breaker.clients;
      const isOfMany = opensFor === 'clients' && clients.length >= Math.min(CLIENTS_MIN, failuresMax);
      if (failures >= failuresMax && (isSure || isOfMany)) return open(breaker, nowMs, settings);
      return { ...breaker, failures, clients, isSure };
    },
  },
  open: {
    asked: (breaker, { nowMs }) => (nowMs >= breaker.untilMs ? { kind: 'trying', era: breaker.era + 1 } : breaker),
    // What goes out beside the one that tries can close it, and keeps nobody from trying.
    answered: ({ era }) => closed(era + 1),
    failed: (breaker) => breaker,
  },
  trying: {
    asked: (breaker) => breaker,
    answered: ({ era }) => closed(era + 1),
    failed: (breaker, { nowMs }, settings) => open(breaker, nowMs, settings),
  },
};

function open({ era }: Breaker, nowMs: number, { openMs }: BreakerSettings): Breaker {
  return { kind: 'open', era: era + 1, untilMs: nowMs + openMs };
}

function closed(era: number): Breaker {
  return { kind: 'closed', era, failures: 0, clients: [], isSure: false };
}
