import { ERRORS, type ErrorCode, type PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import { AccessError } from './permission.ts';

/** What was refused, to whom, and by which rule: for those who run the hub. It holds no token and no secret. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly status: number;
  /** `POST /v1/keys`, `WebSocket publish`: one of the hub's own, or `none`. */
  readonly route: string;
  readonly detail: string;
  readonly kind: Principal['kind'] | undefined;
  readonly user: string | undefined;
  /** The id of a key, which is no secret. */
  readonly key: string | undefined;
  readonly address: string;
  readonly origin: string | undefined;
  readonly host: string | undefined;
  /** What the caller wanted: an action or a scope, and the channel or pattern that it was wanted for. */
  readonly action: string | undefined;
  readonly channel: string | undefined;
  readonly rule: string | undefined;
  readonly needs: string | undefined;
}

/** Where it was refused. */
export interface RefusalContext {
  readonly route: string;
  readonly address: string;
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
  /** Who asked, as far as that is known. */
  readonly principal?: Principal | undefined;
}

/** The one place where a refusal leaves a trace: a count, a log line at `debug`, and whoever listens. */
export class RefusalLog {
  readonly #logger: { debug(fields: object, message: string): void };
  readonly #counts = new Map<string, RefusalCount>();
  readonly #listener: ((refusal: Refusal) => void) | undefined;

  constructor(
    logger: { debug(fields: object, message: string): void },
    listener: ((refusal: Refusal) => void) | undefined = undefined,
  ) {
    this.#logger = logger;
    this.#listener = listener;
  }

  record(error: PolycastError, context: RefusalContext): void {
    const { code } = error;
    const { route } = context;
    const name = `${code} ${route}`;
    const count = this.#counts.get(name);
    if (count === undefined) this.#counts.set(name, { code, route, count: 1 });
    else count.count++;
    const refusal = createRefusal(error, context);
    this.#logger.debug(refusal, 'a request was refused');
    this.#listener?.(refusal);
  }

  /** One for each code and route that there was: both are the hub's own, so there is a bound. */
  get counts(): Iterable<RefusalCount> {
    return this.#counts.values();
  }
}

interface RefusalCount {
  readonly code: ErrorCode;
  readonly route: string;
  count: number;
}

function createRefusal(
  error: PolycastError,
  { route, address, origin, host, principal: knownPrincipal }: RefusalContext,
): Refusal {
  const access = error instanceof AccessError ? error : undefined;
  const principal = access?.request.principal ?? knownPrincipal;
  return {
    code: error.code,
    status: ERRORS[error.code].status,
    route,
    detail: error.message,
    kind: principal?.kind,
    user: principal?.user,
    key: principal?.key,
    address,
    origin,
    host,
    action: access?.request.action,
    channel: access?.request.channel,
    rule: access?.rule,
    needs: access?.needs,
  };
}
