/**
 * A breaker decides whether the hub may ask the site.
 *
 * - `closed`: questions are sent.
 * - `open`: the site failed too often. No question is sent until `untilMs`.
 * - `trying`: one question is in flight to test the site.
 *
 * An era is the time between two changes of state. A result from an earlier era is ignored.
 * Example: with `failuresMax` 3, the third refused connection in a row opens the breaker. After
 * `openMs` one question tests the site; its answer closes the breaker.
 */
export type Breaker =
  | {
      readonly kind: 'closed';
      readonly era: number;
      readonly failures: number;
      /**
       * The clients of the failures in a row, at most two. They show whether one client causes all
       * failures.
       */
      readonly clients: readonly string[];
      /** At least one failure in this row cannot be the fault of a question. */
      readonly isSure: boolean;
    }
  | { readonly kind: 'open'; readonly era: number; readonly untilMs: number }
  | { readonly kind: 'trying'; readonly era: number };

export type BreakerInput =
  /** A question is sent. Only after `allowsRequest` returned true. */
  | { readonly kind: 'asked'; readonly nowMs: number }
  /** A question of that era was answered, or failed. */
  | { readonly kind: 'answered'; readonly era: number }
  | {
      readonly kind: 'failed';
      readonly era: number;
      readonly nowMs: number;
      /**
       * The client that asked, if its question may be at fault. The questions of one client alone
       * do not open the breaker.
       */
      readonly client?: string | undefined;
    };

export interface BreakerSettings {
  readonly failuresMax: number;
  /**
   * The further condition for opening. `sure`: at least one failure that is certainly the site's.
   * `clients`: that, or failures of several clients; for the time when no probe is known.
   */
  readonly opensFor: 'sure' | 'clients';
  readonly openMs: number;
}

export const CLOSED: Breaker = closed(0);

/** Failures of this many clients are the site's, not the questions'. */
const CLIENTS_MIN = 2;

/**
 * Whether there were enough failures, but all may be the fault of the questions. A probe then tests
 * the site.
 */
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
    // A suspect's question may be answered while the breaker is open. The answer closes the
    // breaker; a failure changes nothing.
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
