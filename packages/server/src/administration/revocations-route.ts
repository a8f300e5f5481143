import * as z from 'zod';
import type { Clock } from '../core/ports.ts';
import { issuedBeforeNowMs, type RevocationKind } from '../identity/revocation-list.ts';
import { nonEmptyText, refuse, timestamp } from '../http/body/body-schema.ts';
import { json, response } from '../http/route-description.ts';
import { named, time } from '../http/openapi/schemas.ts';
import type { Route } from '../auth/route.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { noSuchKey } from './key-routes.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';

const KINDS: readonly RevocationKind[] = ['user', 'token', 'key', 'session'];
const NAME_LENGTH_MAX = 256;
/** A client whose clock is ahead of the hub's by up to this time may still send "now". */
const CLOCK_SKEW_MS = 60_000;

/** `POST /v1/revocations` (PROTOCOL.md section 13.4). */
export function revocationsRoute({ auth, keyChanges, revocations }: AdministrationParts): Route {
  const body = revocationBody(auth.clock);
  return {
    method: 'POST',
    path: '/v1/revocations',
    requires: 'admin',
    description: () => ({
      operationId: 'revoke',
      summary: 'Revokes the credentials of a user, a token, a key or a session.',
      section: '13.4',
      details: 'It takes effect within a second on all connections, and survives a restart.',
      bodies: [json(body, 'The subject, and the time before which its credentials were issued.', { user: 'ann' })],
      responses: [response(201, 'Revoked.', json(revocationSchema(), 'The revoked subject, and `issuedBefore`.'))],
      errors: ['not_found'],
    }),
    async handle(request) {
      const { issuedBefore = issuedBeforeNowMs(auth.clock), ...subject } = await request.parse(body);
      const kind = givenKinds(subject)[0] ?? 'user';
      const name = subject[kind] ?? '';
      // Otherwise the hub would store a revocation of a key that never existed.
      if (kind === 'key' && !(await keyChanges.isKnown(name))) throw noSuchKey();
      await revocations.revoke({ kind, name, issuedBeforeMs: issuedBefore }, request.actor);
      request.respondJson(201, { [kind]: name, issuedBefore: timestampOrNull(issuedBefore) });
    },
  };
}

function givenKinds(subject: Readonly<Partial<Record<RevocationKind, string>>>): readonly RevocationKind[] {
  return KINDS.filter((kind) => subject[kind] !== undefined);
}

/**
 * Exactly one subject, and the date of the revocation. A date in the future is refused: it would
 * also refuse credentials that are issued later.
 */
function revocationBody({ nowMs }: Clock) {
  const name = nonEmptyText(NAME_LENGTH_MAX);
  const issuedBefore = timestamp().check((context) => {
    if (context.value > nowMs() + CLOCK_SKEW_MS) refuse(context, 'is in the future');
  });
  return z
    .strictObject({
      user: name.exactOptional(),
      token: name.describe('The id of the token, `jti`.').exactOptional(),
      key: name.describe('Its id.').exactOptional(),
      session: name.describe('The session id of `ready`.').exactOptional(),
      issuedBefore: issuedBefore.describe('The default is now.').exactOptional(),
    })
    .check((context) => {
      const given = givenKinds(context.value);
      if (given.length === 1) return;
      refuse(context, `must be the only one of ${KINDS.join(', ')}`, [given[1] ?? 'user']);
      // It goes before the refusal of an unknown member.
      context.issues.reverse();
    })
    .meta({ id: 'NewRevocation', description: 'One of `user`, `token`, `key` and `session`.' });
}

const revocationSchema = named(
  'Revocation',
  () =>
    z.object({
      user: z.string().optional(),
      token: z.string().optional(),
      key: z.string().optional(),
      session: z.string().optional(),
      issuedBefore: time('Credentials that were issued before then are refused.'),
    }),
  { examples: [{ user: 'ann', issuedBefore: '2027-01-31T12:00:00.000Z' }] },
);
