import { PolycastError } from '@polycast/protocol';
import type { StoredKey } from '../core/access/identity-store.ts';
import type { KeyOptions, CreatedKey } from '../identity/api-keys.ts';
import { scopesProblem } from '../core/access/scopes.ts';
import type { Grants } from '../core/access/principal.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import type { AuthorizedRoute, Route } from '../auth/route.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import {
  invalidBody,
  nonEmptyText,
  timestamp,
  integer,
  type Validator,
  type MemberReader,
} from '../http/body/json-body.ts';

/** The default time that a rotated key's old secret stays valid: one day, in seconds. */
const OVERLAP_SECONDS = 86_400;
const OVERLAP_SECONDS_MAX = 30 * 86_400;
const NAME_LENGTH_MAX = 100;

/** `/v1/keys` (PROTOCOL.md section 13.1). */
export function keyRoutes(administration: AdministrationParts): readonly Route[] {
  const { auth, keys } = administration;
  const route = (method: Route['method'], path: string, handle: AuthorizedRoute['handle']): Route => ({
    method,
    path,
    requires: 'admin',
    handle(request) {
      // Without access control every caller could create a key. The key would stay valid after
      // access control is switched on.
      if (administration.access === undefined)
        throw new PolycastError('forbidden', 'A hub without access control has no keys. Set access: rules.');
      return handle(request);
    },
  });
  return [
    route('GET', '/v1/keys', (request) => request.respondJson(200, { keys: keys.list().map(keyJson) })),
    route('POST', '/v1/keys', async (request) => {
      const options = parseNewKey(await request.members(), auth.clock.nowMs());
      await keys.whenWritable();
      const created = keys.create(options, request.actor);
      await keys.whenDurable();
      request.respondJson(201, createdKeyJson(created), ['Location', `/v1/keys/${created.key.id}`]);
    }),
    route('GET', '/v1/keys/:id', (request) => request.respondJson(200, keyJson(orNotFound(keys.get(idOf(request)))))),
    route('PATCH', '/v1/keys/:id', async (request) => {
      const options = parseKeyChanges(await request.members(), auth.clock.nowMs());
      await keys.whenWritable();
      const changed = orNotFound(keys.change(idOf(request), options, request.actor));
      await keys.whenDurable();
      request.respondJson(200, keyJson(changed));
    }),
    route('DELETE', '/v1/keys/:id', async (request) => {
      const revoking = keys.revoke(idOf(request), request.actor);
      if (revoking === undefined) throw noSuchKey();
      await revoking;
      request.respondEmpty(204);
    }),
    route('POST', '/v1/keys/:id/rotate', async (request) => {
      const members = await request.members();
      const overlapSeconds = members.optional('overlapSeconds', integer(0, OVERLAP_SECONDS_MAX)) ?? OVERLAP_SECONDS;
      members.rejectUnknown();
      await keys.whenWritable();
      const created = orNotFound(keys.rotate(idOf(request), overlapSeconds * 1000, request.actor));
      await keys.whenDurable();
      request.respondJson(200, createdKeyJson(created));
    }),
  ];
}

function parseNewKey(members: MemberReader, nowMs: number): KeyOptions {
  const options = {
    name: members.required('name', nonEmptyText(NAME_LENGTH_MAX)),
    scopes: members.required('scopes', scopes),
    expiresMs: members.optional('expires', expiry(nowMs)),
  };
  members.rejectUnknown();
  return options;
}

function parseKeyChanges(members: MemberReader, nowMs: number): Partial<KeyOptions> {
  const expires = members.has('expires') ? { expiresMs: members.optional('expires', expiry(nowMs)) } : {};
  const name = members.optional('name', nonEmptyText(NAME_LENGTH_MAX));
  const newScopes = members.optional('scopes', scopes);
  members.rejectUnknown();
  const options = {
    ...expires,
    ...(name !== undefined && { name }),
    ...(newScopes !== undefined && { scopes: newScopes }),
  };
  if (Object.keys(options).length === 0)
    throw invalidBody('name', 'is missing, and so are "scopes" and "expires": the request changes nothing');
  return options as Partial<KeyOptions>;
}

const scopes: Validator<Grants> = (value) => {
  const wrong = scopesProblem(value);
  return wrong === undefined ? { value: value as Grants } : { wrong };
};

/** A time in the future; `null` for no expiry. */
function expiry(nowMs: number): Validator<number | undefined> {
  return (value) => {
    if (value === null) return { value: undefined };
    const checked = timestamp(value);
    return 'value' in checked && checked.value <= nowMs ? { wrong: 'is in the past' } : checked;
  };
}

function keyJson({ id, name, scopes: good, createdMs, expiresMs, lastUsedMs, secrets }: StoredKey): object {
  return {
    id,
    name,
    scopes: good,
    created: timestampOrNull(createdMs),
    expires: timestampOrNull(expiresMs),
    lastUsed: timestampOrNull(lastUsedMs),
    // During a rotation: the time until which the old secret is valid.
    overlapUntil: timestampOrNull(secrets[1]?.expiresMs),
  };
}

/** The only response that contains the key itself. */
function createdKeyJson({ key, text }: CreatedKey): object {
  return { ...keyJson(key), key: text };
}

function idOf({ parameters: { id = '' } }: AuthorizedRequest): string {
  return id;
}

function orNotFound<Value>(value: Value | undefined): Value {
  if (value === undefined) throw noSuchKey();
  return value;
}

export function noSuchKey(): PolycastError {
  return new PolycastError('not_found', 'The key does not exist.');
}
