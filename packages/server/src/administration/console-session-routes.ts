import * as z from 'zod';
import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import { messageCredentials } from '../auth/credentials.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import type { Route } from '../auth/route.ts';
import { nonEmptyText } from '../http/body/body-schema.ts';
import { json, response, withHeaders } from '../http/route-description.ts';
import { named, text, time } from '../http/openapi/schemas.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { CONSOLE_COOKIE, type ConsoleLogins } from '../identity/console/console-login.ts';
import { issuedBeforeNowMs } from '../identity/revocation-list.ts';
import type { AdministrationParts } from './administration-parts.ts';

/** The settings of the cookie. */
export interface ConsoleCookie {
  /** The path below which the hub is: `/`, or that of `publicUrl`. */
  readonly path: string;
  /** Others reach the hub by TLS, even if the last step to it is without. */
  readonly isSecure: boolean;
}

/** The dependencies of these routes. */
export interface ConsoleSessionParts extends AdministrationParts {
  readonly logins: ConsoleLogins;
  readonly cookie: ConsoleCookie;
}

/** The longest key or token. */
const CREDENTIAL_LENGTH_MAX = 16 * 1024;

/** `/v1/console/session`: the login of the console (PROTOCOL.md section 13.9). */
export function consoleSessionRoutes(parts: ConsoleSessionParts): readonly Route[] {
  const path = '/v1/console/session';
  return [
    {
      method: 'GET',
      path,
      requires: 'entry',
      description: () => ({
        operationId: 'readConsoleSession',
        summary: 'Reads who is logged in to the console.',
        section: '13.9',
        allowsAnonymous: true,
        responses: [response(200, 'The caller, if it may use the console.', json(sessionSchema(), 'The session.'))],
      }),
      handle: (request) => request.respondJson(200, sessionJson(parts, request.principal)),
    },
    {
      method: 'POST',
      path,
      requires: 'nothing',
      description: () => ({
        operationId: 'logInToConsole',
        summary: 'Logs in to the console with a key or a token.',
        section: '13.9',
        details:
          'The key needs the scope `admin`, the token `"polycast": {"console": true}`. The answer sets a cookie that only the pages of the hub can use.',
        bodies: [json(credentialBody, 'The key or the token.')],
        responses: [
          withHeaders(response(200, 'Logged in.', json(sessionSchema(), 'The session.')), {
            'Set-Cookie': '`HttpOnly`, `SameSite=Strict`.',
          }),
        ],
        errors: [
          'unauthorized',
          'token_expired',
          'forbidden',
          'identity_unavailable',
          'invalid_json',
          'duplicate_member',
          'invalid_utf8',
          'invalid_body',
          'body_too_large',
          'unsupported_media_type',
          'not_in_cluster',
          'outcome_unknown',
          'log_full',
          'log_unavailable',
        ],
      }),
      handle: (request) => logIn(parts, request),
    },
    {
      method: 'DELETE',
      path,
      requires: 'entry',
      description: () => ({
        operationId: 'logOutOfConsole',
        summary: 'Logs out of the console.',
        section: '13.9',
        allowsAnonymous: true,
        responses: [response(204, 'The cookie is no longer valid.')],
        errors: ['log_full', 'outcome_unknown'],
      }),
      handle: (request) => logOut(parts, request),
    },
  ];
}

const credentialBody = z.strictObject({
  credential: nonEmptyText(CREDENTIAL_LENGTH_MAX).meta({
    examples: ['pck_Ab3dEf6hIj9l_0123456789abcdefghijklmnopqrstuv'],
  }),
});

async function logIn(parts: ConsoleSessionParts, request: AuthorizedRequest): Promise<void> {
  const { access, audit, auth, logins } = parts;
  const { credential } = await request.parse(credentialBody);
  if (access === undefined)
    throw new PolycastError('forbidden', 'A hub without access control has no login: the console is open.');
  const principal = await auth.authority.identify(messageCredentials(credential, request.address));
  if (!logins.mayLogIn(principal))
    throw new PolycastError(
      'forbidden',
      'The console requires a key with the scope admin, or a token with "polycast": {"console": true}.',
    );
  const { value, untilMs } = await logins.logIn(principal);
  const { kind, key, user } = principal;
  const by = { kind, key, user, address: request.address };
  audit.record({ action: 'console.login', subject: key ?? user ?? '', by });
  request.respondJson(200, session(parts, principal, untilMs), [
    'Set-Cookie',
    cookieOf(parts, request, value, untilMs),
  ]);
}

async function logOut(parts: ConsoleSessionParts, request: AuthorizedRequest): Promise<void> {
  const { audit, auth, logins, revocations } = parts;
  const { principal, actor } = request;
  const login = logins.loginOf(principal);
  // A page of another origin must not remove the cookie either.
  if (login === undefined) return request.respondEmpty(204);
  audit.record({ action: 'console.logout', subject: principal.key ?? principal.user ?? '', by: actor });
  await revocations.revoke({ kind: 'token', name: login.id, issuedBeforeMs: issuedBeforeNowMs(auth.clock) }, actor);
  request.respondEmpty(204, ['Set-Cookie', cookieOf(parts, request, '', 0)]);
}

/** A cookie that ends at a time; in the past, it removes the present one. */
function cookieOf(
  { cookie: { path, isSecure }, auth }: ConsoleSessionParts,
  request: AuthorizedRequest,
  value: string,
  untilMs: number,
): string {
  const seconds = Math.max(0, Math.ceil((untilMs - auth.clock.nowMs()) / 1000));
  const secure = isSecure || request.isEncrypted ? '; Secure' : '';
  return `${CONSOLE_COOKIE}=${value}; Path=${path}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
}

const sessionSchema = named('ConsoleSession', () =>
  z.object({
    login: z.enum(['required', 'none']).describe('`none`: the hub has no access control.'),
    as: z
      .object({
        kind: text({ examples: ['server'] }),
        key: text({ examples: ['Ab3dEf6hIj9l'] }).optional(),
        name: text({ examples: ['shop backend'] }).optional(),
        user: text({ examples: ['ann'] }).optional(),
        scopes: z.record(z.string(), z.array(z.string())).meta({ examples: [{ admin: ['>'] }] }),
      })
      .nullable()
      .describe('The caller; null if it may not use the console.'),
    until: time('The end of the login.').nullable(),
    cluster: text({ examples: ['shop'] })
      .optional()
      .describe('For a caller that may use the console: the name of the cluster, if the hub is a part of one.'),
  }),
);

function sessionJson(parts: ConsoleSessionParts, principal: Principal): object {
  const login = parts.logins.loginOf(principal);
  if (parts.auth.authority.hasScope(principal, 'admin').allowed) return session(parts, principal, login?.untilMs);
  return { login: 'required', as: null, until: null };
}

function session(
  { access, keys, place }: ConsoleSessionParts,
  principal: Principal,
  untilMs: number | undefined,
): object {
  const { kind, key, user, grants } = principal;
  const name = key === undefined ? undefined : keys.get(key)?.name;
  const { console: _, ...scopes } = grants;
  const cluster = place();
  return {
    login: access === undefined ? 'none' : 'required',
    as: {
      kind,
      ...(key !== undefined && { key }),
      ...(name !== undefined && { name }),
      ...(user !== undefined && { user }),
      scopes,
    },
    until: timestampOrNull(untilMs),
    ...(cluster && { cluster: cluster.name }),
  };
}
