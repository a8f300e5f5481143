import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access } from '../core/access.ts';
import type { Actor } from '../core/ports.ts';
import type { Principal, Scope } from '../core/principal.ts';
import type { AuditLog } from '../identity/audit.ts';
import type { KeyRing } from '../identity/keys.ts';
import type { RevocationBook } from '../identity/revocations.ts';
import { identify } from '../transports/permission.ts';
import { RequestCredentials } from '../transports/credentials.ts';
import type { Handler } from '../transports/http-transport.ts';
import { respond } from '../transports/respond.ts';
import type { Services } from '../transports/services.ts';

/** What the operators' addresses work with. */
export interface Administration {
  readonly services: Services;
  readonly keys: KeyRing;
  readonly revocations: RevocationBook;
  readonly audit: AuditLog;
  /** `undefined` where there is no access control. */
  readonly access: Access | undefined;
}

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
export function withScope(
  { services }: Pick<Administration, 'services'>,
  scope: Scope,
  handle: (desk: Desk) => void | Promise<void>,
): Handler {
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
