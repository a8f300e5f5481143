import type { Clock } from '../core/ports.ts';
import { issuedBeforeNowMs, type RevocationKind } from '../identity/revocation-list.ts';
import type { Route } from '../auth/route.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { noSuchKey } from './key-routes.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { invalidBody, nonEmptyText, timestamp, type MemberReader } from '../http/body/json-body.ts';

const KINDS: readonly RevocationKind[] = ['user', 'token', 'key', 'session'];
const NAME_LENGTH_MAX = 256;
/** A client whose clock is ahead of the hub's by up to this time may still send "now". */
const CLOCK_SKEW_MS = 60_000;

/** `POST /v1/revocations` (PROTOCOL.md section 13.4). */
export function revocationsRoute(administration: AdministrationParts): Route {
  const { auth, keys, revocations } = administration;
  return {
    method: 'POST',
    path: '/v1/revocations',
    requires: 'admin',
    async handle(request) {
      const members = await request.members();
      const order = { ...parseSubject(members), issuedBeforeMs: parseIssuedBefore(members, auth.clock) };
      members.rejectUnknown();
      // Otherwise the hub would store a revocation of a key that never existed.
      if (order.kind === 'key' && keys.get(order.name) === undefined) throw noSuchKey();
      await revocations.revoke(order, request.actor);
      request.respondJson(201, { [order.kind]: order.name, issuedBefore: timestampOrNull(order.issuedBeforeMs) });
    },
  };
}

function parseSubject(members: MemberReader): { readonly kind: RevocationKind; readonly name: string } {
  const given = KINDS.filter((kind) => members.has(kind));
  const [kind] = given;
  if (kind === undefined || given.length > 1)
    throw invalidBody(given[1] ?? 'user', `must be the only one of ${KINDS.join(', ')}`);
  return { kind, name: members.required(kind, nonEmptyText(NAME_LENGTH_MAX)) };
}

/**
 * Reads the date of a revocation. A date in the future is refused: it would also refuse credentials
 * that are issued later.
 */
function parseIssuedBefore(members: MemberReader, clock: Clock): number {
  const givenMs = members.optional('issuedBefore', timestamp);
  if (givenMs === undefined) return issuedBeforeNowMs(clock);
  if (givenMs > clock.nowMs() + CLOCK_SKEW_MS) throw invalidBody('issuedBefore', 'is in the future');
  return givenMs;
}
