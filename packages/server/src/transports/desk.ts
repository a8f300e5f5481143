import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Actor } from '../core/ports.ts';
import type { Principal, Scope } from '../core/principal.ts';
import { RequestCredentials } from './credentials.ts';
import type { Handler } from './http-transport.ts';
import { identify } from './permission.ts';
import { respond } from './respond.ts';
import type { Services } from './services.ts';

/** A request of somebody who may make it. */
export interface Desk {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly parameters: Readonly<Record<string, string | undefined>>;
  readonly query: string;
  readonly principal: Principal;
  /** Whom the audit log names. */
  readonly actor: Actor;
}

/** Lets those through who have the scope for the whole hub. */
export function withScope(services: Services, scope: Scope, handle: (desk: Desk) => void | Promise<void>): Handler {
  return async (request, response, parameters, query) => {
    const principal = await identify(services, request, undefined);
    const decision = services.authority.permits(principal, scope);
    if (!decision.allowed) {
      const rule = decision.by === undefined ? undefined : { rule: decision.by };
      throw new PolycastError(decision.code, decision.detail, rule);
    }
    const { kind, key, user } = principal;
    const { address } = new RequestCredentials(services, request, undefined);
    await handle({ request, response, parameters, query, principal, actor: { kind, key, user, address } });
  };
}

/** An answer that may hold what is nobody else's business, and that is true only now. */
export function respondJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: readonly string[] = [],
): void {
  respond(response, status, 'application/json', JSON.stringify(value), [...headers, 'Cache-Control', 'no-store']);
}

/** Milliseconds since 1970 as RFC 3339; `null` for never. */
export function timeText(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString();
}
