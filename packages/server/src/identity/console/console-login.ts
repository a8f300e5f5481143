import type { Credentials } from '../../core/access/authority.ts';
import type { Clock, Random } from '../../core/ports.ts';
import { ANONYMOUS, type Grants, type Principal } from '../../core/access/principal.ts';
import { ALL_SCOPES } from '../../core/access/scopes.ts';
import type { ApiKeys } from '../api-keys.ts';
import type { Identifier, Revocations } from '../authority.ts';
import type { LoginSignatures } from './login-signatures.ts';

/**
 * A console login is a signed cookie that stands for an administrator: a key with the scope
 * `admin`, or a user whose token says `"polycast": {"console": true}`.
 * Example: `eyJpZCI6IjhGV…In0.k3JvT0…` is `{"id":"8FV…","key":"Ab3dEf6hIj9l",…}` and its signature.
 */
export interface ConsoleLoginParts {
  readonly keys: Pick<ApiKeys, 'principalSince'>;
  readonly revocations: Pick<Revocations, 'isRevoked'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Pick<Random, 'token'>;
  readonly signatures: LoginSignatures;
  /** The lifetime of a login. */
  readonly lifetimeMs: number;
}

/** The name of the cookie. */
export const CONSOLE_COOKIE = 'polycast-console';

/** The content of a cookie. Times are milliseconds since 1970. */
interface Login {
  readonly id: string;
  readonly owner:
    | { readonly user: string }
    | {
        readonly key: string;
        /** The time of the key's secret. */
        readonly secretMs: number;
      };
  readonly atMs: number;
  readonly untilMs: number;
}

/** Principals of recent logins. Beyond the bound they are made again for each request. */
const REMEMBERED_MAX = 256;

/**
 * Gives and recognizes console logins. A login ends at its time, with its key, with a revocation of
 * its user, or by itself. The hub stores nothing about it.
 */
export class ConsoleLogins implements Identifier {
  readonly #parts: ConsoleLoginParts;
  /** By the value of the cookie. */
  readonly #remembered = new Map<string, { readonly login: Login; readonly principal: Principal }>();
  readonly #logins = new WeakMap<Principal, Login>();

  constructor(parts: ConsoleLoginParts) {
    this.#parts = parts;
  }

  /** `undefined` also for a login that has ended: the caller is then identified by the rest. */
  identify(credentials: Credentials): Principal | Promise<Principal | undefined> | undefined {
    const value = credentials.ownCookie?.(CONSOLE_COOKIE);
    if (value === undefined) return undefined;
    const known = this.#remembered.get(value);
    if (known !== undefined) return this.#principalOf(value, known.login, known.principal);
    const login = this.#verify(value);
    if (!(login instanceof Promise)) return this.#principalOf(value, login);
    return login.then((verified) => this.#principalOf(value, verified));
  }

  #principalOf(value: string, login: Login | undefined, known?: Principal): Principal | undefined {
    const owner = login === undefined ? undefined : this.#ownerOf(login);
    if (login === undefined || owner === undefined) {
      this.#remembered.delete(value);
      return undefined;
    }
    if (known?.grants === owner.grants) return known;
    this.#logins.set(owner, login);
    if (this.#remembered.size < REMEMBERED_MAX) this.#remembered.set(value, { login, principal: owner });
    return owner;
  }

  /** Whether the principal may log in to the console. */
  mayLogIn({ kind, grants }: Principal): boolean {
    return kind === 'server' ? grants.admin !== undefined : grants.console === true;
  }

  /** The value of a new cookie, and the time until which it is valid. */
  async logIn({
    key,
    user = '',
    issuedMs,
    expiresMs,
  }: Principal): Promise<{ readonly value: string; readonly untilMs: number }> {
    const { clock, random, lifetimeMs, signatures } = this.#parts;
    const atMs = clock.nowMs();
    const login: Login = {
      id: `console.${random.token()}`,
      owner: key === undefined ? { user } : { key, secretMs: issuedMs },
      atMs,
      // A token lives for minutes. The login of its user is longer, and ends with a revocation.
      untilMs: key === undefined ? atMs + lifetimeMs : Math.min(expiresMs, atMs + lifetimeMs),
    };
    const text = Buffer.from(JSON.stringify(login)).toString('base64url');
    return { value: `${text}.${await signatures.sign(text)}`, untilMs: login.untilMs };
  }

  /** The id of a principal's login, and its end. `undefined` when it is none. */
  loginOf(principal: Principal): { readonly id: string; readonly untilMs: number } | undefined {
    const login = this.#logins.get(principal);
    return login === undefined ? undefined : { id: login.id, untilMs: login.untilMs };
  }

  #verify(value: string): Login | undefined | Promise<Login | undefined> {
    const dot = value.indexOf('.');
    const text = value.slice(0, Math.max(dot, 0));
    const isRight = this.#parts.signatures.verify(text, value.slice(dot + 1));
    return isRight instanceof Promise ? isRight.then((right) => loginOf(text, right)) : loginOf(text, isRight);
  }

  /** The present principal of a login, unless it has ended. */
  #ownerOf({ id, owner, atMs, untilMs }: Login): Principal | undefined {
    const { keys, revocations, clock } = this.#parts;
    if (untilMs <= clock.nowMs()) return undefined;
    const byLogin: Principal = {
      ...ANONYMOUS,
      kind: 'user',
      user: 'user' in owner ? owner.user : undefined,
      grants: CONSOLE_USER_GRANTS,
      token: id,
      issuedMs: atMs,
      expiresMs: untilMs,
    };
    if (revocations.isRevoked(byLogin)) return undefined;
    if ('user' in owner) return byLogin;
    const ofKey = keys.principalSince(owner.key, owner.secretMs);
    return ofKey?.grants.admin === undefined ? undefined : { ...ofKey, expiresMs: Math.min(untilMs, ofKey.expiresMs) };
  }
}

function loginOf(text: string, isRight: boolean): Login | undefined {
  return isRight ? (JSON.parse(Buffer.from(text, 'base64url').toString()) as Login) : undefined;
}

/** A pattern of a user covers the hub's own channels only if it begins with their prefix. */
const CONSOLE_USER_GRANTS: Grants = {
  ...ALL_SCOPES,
  subscribe: ['>', 'polycast.>'],
  publish: ['>', 'polycast.private.>'],
};
