import { PolycastError } from '@polycast/protocol';
import * as z from 'zod';
import type { Clock } from '../core/ports.ts';
import type { StoredKey } from '../core/access/identity-store.ts';
import type { CreatedKey } from '../identity/api-keys.ts';
import { SCOPE_PATTERNS_MAX, scopesProblem } from '../core/access/scopes.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import { integer, nonEmptyText, refuse, requiring, timestamp } from '../http/body/body-schema.ts';
import { json, pathParameter, response, withHeaders, type RouteDescription } from '../http/route-description.ts';
import { named, pattern, text, time } from '../http/openapi/schemas.ts';
import type { Route } from '../auth/route.ts';
import { routeMaker } from '../auth/route-maker.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';

const NAME_LENGTH_MAX = 100;
/** The default time that a rotated key's old secret stays valid: one day, in seconds. */
const OVERLAP_SECONDS = 86_400;
const OVERLAP_SECONDS_MAX = 30 * 86_400;

/** `/v1/keys` (PROTOCOL.md section 13.1). */
export function keyRoutes(administration: AdministrationParts): readonly Route[] {
  const parts: KeyParts = { ...administration, bodies: keyBodies(administration.auth.clock) };
  const { creation, changes, rotation } = parts.bodies;
  const route = routeMaker({
    requires: 'admin',
    path: '/v1/keys',
    describe: (own: Omit<RouteDescription, 'section'>) => ({ section: '13.1', ...own }),
    prepare(request) {
      // Without access control every caller could create a key. The key would stay valid after
      // access control is switched on.
      if (administration.access === undefined)
        throw new PolycastError('forbidden', 'A hub without access control has no keys. Set access: rules.');
      return [parts, request] as const;
    },
  });
  return [
    route('GET', '', list, () => ({
      operationId: 'listKeys',
      summary: 'Lists the keys, oldest first.',
      responses: [response(200, 'All keys.', json(z.object({ keys: z.array(keySchema()) }), 'The keys.'))],
    })),
    route('POST', '', create, () => ({
      operationId: 'createKey',
      summary: 'Creates a key for a server.',
      bodies: [json(creation, 'The name, scopes and expiry of the key.')],
      responses: [withHeaders(response(201, 'Created.', createdKey()), { Location: 'The URL of the key.' })],
    })),
    route('GET', '/:id', read, () => ({
      operationId: 'readKey',
      summary: 'Reads a key.',
      parameters: [keyId()],
      responses: [response(200, 'The key.', shownKey())],
    })),
    route('PATCH', '/:id', change, () => ({
      operationId: 'changeKey',
      summary: 'Changes the name, scopes or expiry of a key.',
      details:
        'With other scopes or another expiry, the hub closes the sessions of the key. They can reconnect with the new permissions.',
      parameters: [keyId()],
      bodies: [json(changes, 'The members to change.')],
      responses: [response(200, 'Changed.', shownKey())],
    })),
    route('DELETE', '/:id', revoke, () => ({
      operationId: 'revokeKey',
      summary: 'Revokes a key immediately and permanently.',
      details:
        'The hub closes the sessions of the key. `503 log_full` or `log_unavailable`: the key is revoked, but the revocation is not stored yet. The hub stores it when the disk accepts it. Repeat the request until `204` or `404` to be sure.',
      parameters: [keyId()],
      responses: [response(204, 'Revoked.')],
    })),
    route('POST', '/:id/rotate', rotate, () => ({
      operationId: 'rotateKey',
      summary: 'Creates a new secret for a key.',
      details:
        'The old secret stays valid for `overlapSeconds`. A secret from an earlier rotation expires immediately.',
      parameters: [keyId()],
      bodies: [json(rotation, 'Optional.')],
      isBodyOptional: true,
      responses: [response(200, 'Rotated.', createdKey())],
    })),
  ];
}

interface KeyParts extends AdministrationParts {
  readonly bodies: ReturnType<typeof keyBodies>;
}

function list({ keys }: KeyParts, request: AuthorizedRequest): void {
  request.respondJson(200, { keys: keys.list().map(keyJson) });
}

async function create({ keyChanges, bodies }: KeyParts, request: AuthorizedRequest): Promise<void> {
  const { expires, ...options } = await request.parse(bodies.creation);
  const created = await keyChanges.create({ ...options, expiresMs: expires ?? undefined }, () => request.actor);
  request.respondJson(201, createdKeyJson(created), ['Location', `/v1/keys/${created.key.id}`]);
}

function read({ keys }: KeyParts, request: AuthorizedRequest): void {
  request.respondJson(200, keyJson(orNotFound(keys.get(idOf(request)))));
}

async function change({ keyChanges, bodies }: KeyParts, request: AuthorizedRequest): Promise<void> {
  const { expires, ...options } = await request.parse(bodies.changes);
  const changes = expires === undefined ? options : { ...options, expiresMs: expires ?? undefined };
  const changed = orNotFound(await keyChanges.change(idOf(request), changes, () => request.actor));
  request.respondJson(200, keyJson(changed));
}

async function revoke({ keyChanges }: KeyParts, request: AuthorizedRequest): Promise<void> {
  if (!(await keyChanges.revoke(idOf(request), () => request.actor))) throw noSuchKey();
  request.respondEmpty(204);
}

async function rotate({ keyChanges, bodies }: KeyParts, request: AuthorizedRequest): Promise<void> {
  const { overlapSeconds } = await request.parse(bodies.rotation);
  const created = orNotFound(await keyChanges.rotate(idOf(request), overlapSeconds * 1000, () => request.actor));
  request.respondJson(200, createdKeyJson(created));
}

function keyBodies({ nowMs }: Clock) {
  const name = nonEmptyText(NAME_LENGTH_MAX).meta({ examples: ['shop backend'] });
  const scopes = scopesSchema();
  const expires = timestamp()
    .check((context) => {
      if (context.value <= nowMs()) refuse(context, 'is in the past');
    })
    .nullable()
    .exactOptional();
  const optionalMembers = { expires, name: name.exactOptional(), scopes: scopes.exactOptional() };
  return {
    creation: z.strictObject({ name, scopes, expires }).meta({ id: 'NewKey' }),
    changes: z
      .strictObject(optionalMembers)
      .check((context) => {
        if (Object.keys(context.value).length === 0)
          refuse(context, 'is missing, and so are "scopes" and "expires": the request changes nothing', ['name']);
      })
      .meta({ id: 'KeyChanges', description: 'Any of its members.', minProperties: 1 }),
    rotation: z
      .strictObject({ overlapSeconds: integer(0, OVERLAP_SECONDS_MAX).default(OVERLAP_SECONDS) })
      .meta({ id: 'Rotation' }),
  };
}

const patterns = (): z.ZodArray<z.ZodString> => z.array(pattern()).min(1).max(SCOPE_PATTERNS_MAX);
const wholeHub = (): z.ZodArray<z.ZodLiteral<'>'>> => z.array(z.literal('>')).length(1);

/** `scopesProblem` decides, and words the refusal. */
const scopesSchema = named(
  'Scopes',
  () =>
    requiring(
      z
        .strictObject({
          publish: patterns().exactOptional(),
          subscribe: patterns().exactOptional(),
          subscriptions: patterns().exactOptional(),
          users: wholeHub().exactOptional(),
          admin: wholeHub().exactOptional(),
        })
        .refine((scopes) => scopesProblem(scopes) === undefined),
      scopesProblem,
    ),
  { minProperties: 1, examples: [{ publish: ['orders.>'] }] },
);

const keySchema = named('Key', () =>
  z.object({
    id: text({ examples: ['Ab3dEf6hIj9l'] }),
    name: text({ examples: ['shop backend'] }),
    scopes: scopesSchema(),
    created: time(),
    expires: time().nullable(),
    lastUsed: time('After a crash it may be up to a minute old.').nullable(),
    overlapUntil: time('During a rotation: the time until which the old secret is valid.').nullable(),
  }),
);

function keyJson({ id, name, scopes, createdMs, expiresMs, lastUsedMs, secrets }: StoredKey) {
  return {
    id,
    name,
    scopes,
    created: timestampOrNull(createdMs),
    expires: timestampOrNull(expiresMs),
    lastUsed: timestampOrNull(lastUsedMs),
    overlapUntil: timestampOrNull(secrets[1]?.expiresMs),
  };
}

const createdKeySchema = named('MadeKey', () =>
  z.intersection(
    keySchema(),
    z.object({
      key: z
        .string()
        .regex(/^pck_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}$/)
        .meta({ examples: ['pck_Ab3dEf6hIj9l_0123456789abcdefghijklmnopqrstuv'] }),
    }),
  ),
);

function createdKeyJson({ key, text }: CreatedKey) {
  return { ...keyJson(key), key: text };
}

const shownKey = () => json(keySchema(), 'The key, without its secret.');
const createdKey = () => json(createdKeySchema(), 'The key. `key` is its text, shown only here.');
const keyId = () => pathParameter('id', z.string(), 'The id of the key.');

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
