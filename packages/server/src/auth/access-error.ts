import { PolycastError } from '@polycast/protocol';
import type { AuthorityDecision } from '../core/access/authority.ts';
import type { Action, Principal, Scope } from '../core/access/principal.ts';

type DeniedDecision = Extract<AuthorityDecision, { readonly allowed: false }>;

/** The caller of a refused request, and the access it requested. */
export interface AccessRequest {
  readonly principal: Principal;
  readonly action: Action | Scope;
  readonly channel: string | undefined;
}

/**
 * A refusal of access. It holds the details for operators. Only servers receive the rule: its
 * pattern and the claim that it requires are private. Every caller receives the channel that it
 * named. The channel shows that the request was refused, not the credentials.
 */
export class AccessError extends PolycastError {
  readonly request: AccessRequest;
  readonly rule: string | undefined;
  readonly needs: string | undefined;

  constructor({ code, detail, by, needs }: DeniedDecision, wanted: AccessRequest) {
    const isDisclosed = wanted.principal.kind === 'server' && by !== undefined;
    // The detail of a missing scope names it.
    const isNew = needs !== undefined && !detail.includes(needs);
    super(code, isDisclosed && isNew ? `${detail} It requires ${needs}, by ${by}.` : detail, {
      ...(wanted.channel === undefined ? {} : { channel: wanted.channel }),
      ...(isDisclosed ? { rule: by } : {}),
    });
    this.request = wanted;
    this.rule = by;
    this.needs = needs;
  }
}
