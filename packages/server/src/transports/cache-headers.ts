import { createHmac } from 'node:crypto';
import type { Random } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';

/**
 * How long an answer is good for whoever got it (PROTOCOL.md section 5.6).
 * - `now`: true only at this moment. No cache stores it.
 * - `asked`: a cache asks the hub each time before it uses it. The answer to a known caller is for that caller's own cache.
 * - `page`: it can never change, and anyone may read it. Caches share it, and ask again when it is old.
 */
export type Freshness = 'now' | 'asked' | 'page';

/** What an answer depends on beside its address and who asks: `events` has several forms for one address. */
export type Address = 'events' | 'other';

interface CacheSettings {
  /** Headers beside `Authorization` and `Cookie` by which a caller may say who it is. */
  readonly credentialHeaders: readonly string[];
  readonly pageMaxAgeSeconds: number;
}

/**
 * The one place that makes `Cache-Control`, `Vary` and entity tags, from who asks and what the answer depends on. A tidy rule
 * keeps the names of these headers out of all other files, so that no route can forget who asked.
 */
export class CacheHeaders {
  readonly pageMaxAgeSeconds: number;
  readonly #pairs: Readonly<Record<Address, Readonly<Record<Freshness, PairsByCaller>>>>;
  /** Of this process: a mark says nothing to those who have only seen it. */
  readonly #salt: string;
  readonly #marks = new WeakMap<Principal, string>();

  constructor(random: Random, { credentialHeaders, pageMaxAgeSeconds }: CacheSettings) {
    this.#salt = random.token();
    this.pageMaxAgeSeconds = pageMaxAgeSeconds;
    const page = `public, max-age=${pageMaxAgeSeconds}`;
    const who = ['Cookie', 'Authorization', ...credentialHeaders].join(', ');
    const both = (control: string, vary: string): PairsByCaller => ({
      known: pairsOf(control === 'no-cache' ? 'private, no-cache' : control, control === page ? vary : join(who, vary)),
      nobody: pairsOf(control, vary),
    });
    const of = (vary: string): Readonly<Record<Freshness, PairsByCaller>> => ({
      now: both('no-store', vary),
      asked: both('no-cache', vary),
      page: both(page, vary),
    });
    this.#pairs = { events: of('Accept, Prefer'), other: of('') };
  }

  /** `Cache-Control`, and `Vary` where there is something to name. */
  pairs(principal: Principal, address: Address, freshness: Freshness): readonly string[] {
    const pairs = this.#pairs[address][freshness];
    return isKnown(principal) ? pairs.known.pairs : pairs.nobody.pairs;
  }

  /** The same as lines of a head. */
  lines(principal: Principal, address: Address, freshness: Freshness): string {
    const pairs = this.#pairs[address][freshness];
    return isKnown(principal) ? pairs.known.lines : pairs.nobody.lines;
  }

  /**
   * What stands behind the cursor in the entity tags of this caller's answers: nothing for nobody, else `.` and a hash of who it is.
   * So what a cache has of one caller is never confirmed to another one.
   */
  mark(principal: Principal): string {
    if (!isKnown(principal)) return '';
    let mark = this.#marks.get(principal);
    if (mark === undefined) {
      const { kind, user, key, token } = principal;
      const hash = createHmac('sha256', this.#salt).update(JSON.stringify([kind, user ?? key ?? token]));
      mark = `.${hash.digest('base64url').slice(0, MARK_LENGTH)}`;
      this.#marks.set(principal, mark);
    }
    return mark;
  }
}

interface PairsByCaller {
  readonly known: Lines;
  readonly nobody: Lines;
}

interface Lines {
  readonly pairs: readonly string[];
  readonly lines: string;
}

/** 72 bits. */
const MARK_LENGTH = 12;

/** Whoever brought no credentials that name somebody: also everybody of a hub without access control. */
function isKnown({ user, key, token }: Principal): boolean {
  return user !== undefined || key !== undefined || token !== undefined;
}

/** An entity tag as a header. */
export function etagPair(tag: string): readonly [string, string] {
  return ['ETag', tag];
}

/** @param strong the same bytes each time */
export function entityTag(opaque: string, strong: boolean): string {
  return strong ? `"${opaque}"` : `W/"${opaque}"`;
}

/** For what is true only now, whoever asks: refusals, and answers of the hub's administration. */
export const NO_STORE: readonly string[] = ['Cache-Control', 'no-store'];

/** For what is the same for all, and may change: the browser client's file. */
export const ASK_EACH_TIME: readonly string[] = ['Cache-Control', 'no-cache'];

/** For event streams: nothing between is to keep them, or to change their bytes. */
export const STREAM: readonly string[] = ['Cache-Control', 'no-store, no-transform', 'Vary', 'Accept, Prefer'];

/** `Vary: Origin`, where the origin decides who may read the answer. */
export const VARY_ORIGIN: readonly string[] = ['Vary', 'Origin'];

/**
 * Two lists of header pairs as one. Their `Vary` come to one line: there are proxies that read the last line alone.
 */
export function joinPairs(first: readonly string[], second: readonly string[]): readonly string[] {
  if (first.length === 0) return second;
  const at = varyIn(first);
  if (at < 0 || varyIn(second) < 0) return [...first, ...second];
  return withVary([...first.slice(0, at), ...first.slice(at + 2), ...second], first[at + 1] as string);
}

/** The pairs, `Vary` naming one more request header. */
export function withVary(pairs: readonly string[], name: string): readonly string[] {
  const at = varyIn(pairs);
  if (at < 0) return [...pairs, 'Vary', name];
  return pairs.with(at + 1, join(pairs[at + 1] as string, name));
}

function varyIn(pairs: readonly string[]): number {
  for (let index = 0; index < pairs.length; index += 2) if (pairs[index] === 'Vary') return index;
  return -1;
}

function pairsOf(control: string, vary: string): Lines {
  const pairs = vary === '' ? ['Cache-Control', control] : ['Cache-Control', control, 'Vary', vary];
  let lines = '';
  for (let index = 0; index < pairs.length; index += 2) lines += `${pairs[index]}: ${pairs[index + 1]}\r\n`;
  return { pairs, lines };
}

function join(first: string, second: string): string {
  return [first, second].filter((text) => text !== '').join(', ');
}
