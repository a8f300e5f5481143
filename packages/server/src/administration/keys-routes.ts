import { PolycastError } from '@polycast/protocol';
import type { KeyRow } from '../identity/keys-table.ts';
import type { KeyWishes, MadeKey } from '../identity/keys.ts';
import { wrongScopes } from '../identity/scopes.ts';
import type { Grants } from '../core/principal.ts';
import type { AuthorizedRequest } from '../transports/authorized-request.ts';
import type { AuthorizedRoute, Route } from '../transports/route.ts';
import type { Administration } from './administration.ts';
import { timeText } from '../transports/time-text.ts';
import { invalidBody, shortText, time, whole, type Check, type Members } from '../transports/json-body.ts';

/** How long the old secret of a rotated key stays good unless something else is said: one day. */
const OVERLAP_SECONDS = 86_400;
const OVERLAP_SECONDS_MAX = 30 * 86_400;
const NAME_LENGTH_MAX = 100;

/** `/v1/keys` (PROTOCOL.md section 13.1). */
export function keysRoutes(administration: Administration): readonly Route[] {
  const { services, keys } = administration;
  const route = (method: Route['method'], path: string, handle: AuthorizedRoute['handle']): Route => ({
    method,
    path,
    asks: 'admin',
    handle(request) {
      // Where anybody is let in, anybody could make a key that is still good when nobody is any more.
      if (administration.access === undefined)
        throw new PolycastError('forbidden', 'Without access control there are no keys to be had; set access: rules.');
      return handle(request);
    },
  });
  return [
    route('GET', '/v1/keys', (request) => request.respondJson(200, { keys: keys.list().map(keyJson) })),
    route('POST', '/v1/keys', async (request) => {
      const wishes = newKey(await request.members(), services.clock.nowMs());
      await keys.writable();
      const made = keys.create(wishes, request.actor);
      await keys.stored();
      request.respondJson(201, madeJson(made), ['Location', `/v1/keys/${made.key.id}`]);
    }),
    route('GET', '/v1/keys/:id', (request) => request.respondJson(200, keyJson(found(keys.get(idOf(request)))))),
    route('PATCH', '/v1/keys/:id', async (request) => {
      const wishes = changes(await request.members(), services.clock.nowMs());
      await keys.writable();
      const changed = found(keys.change(idOf(request), wishes, request.actor));
      await keys.stored();
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
      const overlapSeconds = members.take('overlapSeconds', whole(0, OVERLAP_SECONDS_MAX)) ?? OVERLAP_SECONDS;
      members.end();
      await keys.writable();
      const made = found(keys.rotate(idOf(request), overlapSeconds * 1000, request.actor));
      await keys.stored();
      request.respondJson(200, madeJson(made));
    }),
  ];
}

function newKey(members: Members, nowMs: number): KeyWishes {
  const wishes = {
    name: members.need('name', shortText(NAME_LENGTH_MAX)),
    scopes: members.need('scopes', scopes),
    expiresMs: members.take('expires', expiry(nowMs)),
  };
  members.end();
  return wishes;
}

function changes(members: Members, nowMs: number): Partial<KeyWishes> {
  const expires = members.has('expires') ? { expiresMs: members.take('expires', expiry(nowMs)) } : {};
  const name = members.take('name', shortText(NAME_LENGTH_MAX));
  const changed = members.take('scopes', scopes);
  members.end();
  const wishes = { ...expires, ...(name !== undefined && { name }), ...(changed !== undefined && { scopes: changed }) };
  if (Object.keys(wishes).length === 0)
    throw invalidBody('name', 'is missing, and so are "scopes" and "expires": nothing would change');
  return wishes as Partial<KeyWishes>;
}

const scopes: Check<Grants> = (value) => {
  const wrong = wrongScopes(value);
  return wrong === undefined ? { value: value as Grants } : { wrong };
};

/** `null` is never. */
function expiry(nowMs: number): Check<number | undefined> {
  return (value) => {
    if (value === null) return { value: undefined };
    const checked = time(value);
    return 'value' in checked && checked.value <= nowMs ? { wrong: 'has passed already' } : checked;
  };
}

function keyJson({ id, name, scopes: good, createdMs, expiresMs, lastUsedMs, secrets }: KeyRow): object {
  return {
    id,
    name,
    scopes: good,
    created: timeText(createdMs),
    expires: timeText(expiresMs),
    lastUsed: timeText(lastUsedMs),
    // While a rotation lasts: until when the secret before is good.
    overlapUntil: timeText(secrets[1]?.expiresMs),
  };
}

/** The only answer that shows the key itself. */
function madeJson({ key, text }: MadeKey): object {
  return { ...keyJson(key), key: text };
}

function idOf({ parameters: { id = '' } }: AuthorizedRequest): string {
  return id;
}

function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw noSuchKey();
  return value;
}

function noSuchKey(): PolycastError {
  return new PolycastError('not_found', 'There is no such key.');
}
