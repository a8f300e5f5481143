import { ERRORS, type ErrorCode, type PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import { AccessError } from './access-error.ts';

/**
 * A refused request, for operators: the error, the caller and the rule. It holds no token and no
 * secret.
 */
export interface Refusal {
  readonly code: ErrorCode;
  readonly status: number;
  /** `POST /v1/keys`, `WebSocket publish`: one of the hub's routes, or `none`. */
  readonly route: string;
  readonly detail: string;
  readonly kind: Principal['kind'] | undefined;
  readonly user: string | undefined;
  /** The id of a key, which is no secret. */
  readonly key: string | undefined;
  readonly address: string;
  readonly origin: string | undefined;
  readonly host: string | undefined;
  /**
   * The requested action or scope; `channel` is the channel or pattern that it was requested for.
   */
  readonly action: string | undefined;
  readonly channel: string | undefined;
  readonly rule: string | undefined;
  readonly needs: string | undefined;
}

/** A refusal, as far as the session journal needs it. */
export type RefusedReading = Pick<Refusal, 'action' | 'user' | 'kind' | 'key' | 'address' | 'channel'>;

/** Whether a known user was refused to read a channel. */
export function isRefusedReading({ action, user, channel }: RefusedReading): boolean {
  return user !== undefined && channel !== undefined && (action === 'subscribe' || action === 'history');
}

/** The request that was refused. */
export interface RefusalContext {
  readonly route: string;
  readonly address: string;
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
  /** The caller, if it is known. */
  readonly principal?: Principal | undefined;
}

/** Records every refusal: a count, a log line at `debug`, and a call of the listener. */
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
    this.#logger.debug(refusal, 'access: request refused');
    this.#listener?.(refusal);
  }

  /**
   * One count per code and route. Both come from fixed lists of the hub, so the number is bounded.
   */
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
