import { PolycastError } from '@polycast/protocol';
import { hash } from 'node:crypto';
import { countedAs } from '../../core/counted-address.ts';
import type { Credentials } from '../../core/ports.ts';
import type { Principal } from '../../core/principal.ts';
import type { Identifier } from '../authority.ts';
import type { Inquiry } from './inquiry.ts';

export interface LoginSettings {
  readonly cookies: readonly string[];
  /** In lower case. */
  readonly headers: readonly string[];
  readonly perAddress: boolean;
}

/** What the site is asked: its body, and the key of equal questions. */
interface Question {
  readonly key: string;
  readonly body: string;
}

/** The body of a question (PROTOCOL.md section 13.3). */
export interface LoginQuestion {
  readonly cookies: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly address: string;
  readonly origin: string | null;
}

/** Finds out who somebody is by showing the site what they brought along. */
export class SiteLogin implements Identifier {
  readonly #inquiry: Inquiry<Principal>;
  readonly #settings: LoginSettings;
  /** By what a user was known, for as long as anybody holds on to it: so it can be asked again. */
  readonly #questions = new WeakMap<Principal, Question>();

  constructor(inquiry: Inquiry<Principal>, settings: LoginSettings) {
    this.#inquiry = inquiry;
    this.#settings = settings;
  }

  identify(credentials: Credentials): Principal | Promise<Principal> | undefined {
    const shown = this.#shown(credentials);
    if (shown === undefined) return undefined;
    const key = hash('sha256', shown, 'base64url');
    let body: string | undefined;
    const compose = (): string => (body ??= this.#compose(credentials));
    const known = this.#inquiry.ask(key, compose, countedAs(credentials.address));
    const hasToken = credentials.token !== undefined;
    if (!(known instanceof Promise)) return this.#noted(known, key, compose, hasToken);
    return known.then((principal) => this.#noted(principal, key, compose, hasToken));
  }

  renew(principal: Principal): Promise<Principal> | undefined {
    const question = this.#questions.get(principal);
    if (question === undefined) return undefined;
    return this.#renewed(principal, question);
  }

  forget(user: string): void {
    this.#inquiry.forget(user);
  }

  async #renewed(principal: Principal, { key, body }: Question): Promise<Principal> {
    const renewed = await this.#inquiry.renew(key, () => body, principal.expiresMs);
    // Whoever has logged out, or is somebody else by now, is not who the session was opened for.
    if (renewed.user !== principal.user) throw new PolycastError('unauthorized', 'The site knows this user no more.');
    return this.#noted(renewed, key, () => body, false);
  }

  #noted(principal: Principal, key: string, compose: () => string, hasToken: boolean): Principal {
    if (principal.kind === 'anonymous') {
      if (hasToken) throw new PolycastError('unauthorized', 'The site does not know these credentials.');
    } else if (!this.#questions.has(principal)) this.#questions.set(principal, { key, body: compose() });
    return principal;
  }

  /** All that the site decides by, as one text; `undefined` if there is nothing, or a token that is not for the site. */
  #shown(credentials: Credentials): string | undefined {
    const { cookies, headers, perAddress } = this.#settings;
    let shown = '';
    let isSomething = false;
    for (const name of cookies) {
      const value = credentials.cookie(name);
      if (value !== undefined) isSomething = checkLength(value, COOKIE_LENGTH_MAX);
      // Neither cookies nor headers can hold a line break, so no two lists look alike.
      shown += value === undefined ? '\n' : `=${value}\n`;
    }
    let isTokenShown = false;
    for (const name of headers) {
      const value = headerOf(credentials, name);
      if (value !== undefined) isSomething = checkLength(value, HEADER_LENGTH_MAX);
      if (value !== undefined && name === 'authorization') isTokenShown = true;
      shown += value === undefined ? '\n' : `=${value}\n`;
    }
    if (!isSomething || (credentials.token !== undefined && !isTokenShown)) return undefined;
    return perAddress ? shown + credentials.address : shown;
  }

  #compose(credentials: Credentials): string {
    const { cookies, headers } = this.#settings;
    const question: LoginQuestion = {
      cookies: collect(cookies, (name) => credentials.cookie(name)),
      headers: collect(headers, (name) => headerOf(credentials, name)),
      address: credentials.address,
      origin: credentials.origin ?? null,
    };
    return JSON.stringify(question);
  }
}

/** What browsers keep (RFC 6265 section 6.1), and what servers take as a rule: a longer one would only make the site look as if it failed. */
const COOKIE_LENGTH_MAX = 4096;
const HEADER_LENGTH_MAX = 6144;

function checkLength(value: string, lengthMax: number): true {
  if (value.length <= lengthMax) return true;
  throw new PolycastError('unauthorized', `A cookie or header for the site is longer than ${lengthMax} characters.`);
}

/** What browsers add by themselves speaks for a visitor no more than a cookie does, and no origin is asked for it here. */
function headerOf(credentials: Credentials, name: string): string | undefined {
  const value = credentials.header(name);
  if (value === undefined || name !== 'authorization' || !/^(?:basic|digest|negotiate|ntlm)\b/i.test(value))
    return value;
  const isOfPage = credentials.origin !== undefined || credentials.header('sec-fetch-site') !== undefined;
  return isOfPage ? undefined : value;
}

function collect(names: readonly string[], valueOf: (name: string) => string | undefined): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = valueOf(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
