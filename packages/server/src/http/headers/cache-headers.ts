import { createHmac } from 'node:crypto';
import type { Random } from '../../core/ports.ts';
import type { Principal } from '../../core/access/principal.ts';

/**
 * How long an answer is good for whoever got it (PROTOCOL.md section 5.6).
 * - `now`: true only at this moment. No cache stores it.
 * - `asked`: a cache asks the hub each time before it uses it. The answer to a known caller is for that caller's own cache.
 * - `page`: it can never change, and anyone may read it. Caches share it, and ask again when it is old.
 */
export type Freshness = 'now' | 'asked' | 'page';

/** What an answer depends on beside its address and who asks: `events` has several forms for one address. */
export type ResourceKind = 'events' | 'other';

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
  readonly #headers: Readonly<Record<ResourceKind, Readonly<Record<Freshness, PairsByCaller>>>>;
  /** Of this process: a mark says nothing to those who have only seen it. */
  readonly #salt: string;
  readonly #callerTags = new WeakMap<Principal, string>();

  constructor(random: Random, { credentialHeaders, pageMaxAgeSeconds }: CacheSettings) {
    this.#salt = random.token();
    this.pageMaxAgeSeconds = pageMaxAgeSeconds;
    const page = `public, max-age=${pageMaxAgeSeconds}`;
    const credentialHeaderNames = ['Cookie', 'Authorization', ...credentialHeaders].join(', ');
    const byCaller = (control: string, vary: string): PairsByCaller => ({
      identified: headerLines(
        control === 'no-cache' ? 'private, no-cache' : control,
        control === page ? vary : joinNonEmpty(credentialHeaderNames, vary),
      ),
      anonymous: headerLines(control, vary),
    });
    const byFreshness = (vary: string): Readonly<Record<Freshness, PairsByCaller>> => ({
      now: byCaller('no-store', vary),
      asked: byCaller('no-cache', vary),
      page: byCaller(page, vary),
    });
    this.#headers = { events: byFreshness('Accept, Prefer'), other: byFreshness('') };
  }

  /** `Cache-Control`, and `Vary` where there is something to name. */
  pairs(principal: Principal, address: ResourceKind, freshness: Freshness): readonly string[] {
    const pairs = this.#headers[address][freshness];
    return isIdentified(principal) ? pairs.identified.pairs : pairs.anonymous.pairs;
  }

  /** The same as lines of a head. */
  lines(principal: Principal, address: ResourceKind, freshness: Freshness): string {
    const pairs = this.#headers[address][freshness];
    return isIdentified(principal) ? pairs.identified.lines : pairs.anonymous.lines;
  }

  /**
   * What stands behind the cursor in the entity tags of this caller's answers: nothing for nobody, else `.` and a hash of who it is.
   * So what a cache has of one caller is never confirmed to another one.
   */
  callerTag(principal: Principal): string {
    if (!isIdentified(principal)) return '';
    let mark = this.#callerTags.get(principal);
    if (mark === undefined) {
      const { kind, user, key, token } = principal;
      const hash = createHmac('sha256', this.#salt).update(JSON.stringify([kind, user ?? key ?? token]));
      mark = `.${hash.digest('base64url').slice(0, CALLER_TAG_LENGTH)}`;
      this.#callerTags.set(principal, mark);
    }
    return mark;
  }
}

interface PairsByCaller {
  readonly identified: HeaderLines;
  readonly anonymous: HeaderLines;
}

interface HeaderLines {
  readonly pairs: readonly string[];
  readonly lines: string;
}

/** 72 bits. */
const CALLER_TAG_LENGTH = 12;

/** Whoever brought no credentials that name somebody: also everybody of a hub without access control. */
function isIdentified({ user, key, token }: Principal): boolean {
  return user !== undefined || key !== undefined || token !== undefined;
}

/** An entity tag as a header. */
export function entityTagHeader(tag: string): readonly [string, string] {
  return ['ETag', tag];
}

/** @param strong the same bytes each time */
export function entityTag(opaque: string, strong: boolean): string {
  return strong ? `"${opaque}"` : `W/"${opaque}"`;
}

/** For what is true only now, whoever asks: refusals, and answers of the hub's administration. */
export const NO_STORE: readonly string[] = ['Cache-Control', 'no-store'];

/** For what is the same for all, and may change: the browser client's file. */
export const REVALIDATE: readonly string[] = ['Cache-Control', 'no-cache'];

/** For event streams: nothing between is to keep them, or to change their bytes. */
export const STREAM_HEADERS: readonly string[] = ['Cache-Control', 'no-store, no-transform', 'Vary', 'Accept, Prefer'];

/** `Vary: Origin`, where the origin decides who may read the answer. */
export const VARY_ORIGIN: readonly string[] = ['Vary', 'Origin'];

/**
 * Two lists of header pairs as one. Their `Vary` come to one line: there are proxies that read the last line alone.
 */
export function mergeHeaderPairs(first: readonly string[], second: readonly string[]): readonly string[] {
  if (first.length === 0) return second;
  const at = indexOfVary(first);
  if (at < 0 || indexOfVary(second) < 0) return [...first, ...second];
  return addVary([...first.slice(0, at), ...first.slice(at + 2), ...second], first[at + 1] as string);
}

/** The pairs, `Vary` naming one more request header. */
export function addVary(pairs: readonly string[], name: string): readonly string[] {
  const at = indexOfVary(pairs);
  if (at < 0) return [...pairs, 'Vary', name];
  return pairs.with(at + 1, joinNonEmpty(pairs[at + 1] as string, name));
}

function indexOfVary(pairs: readonly string[]): number {
  for (let index = 0; index < pairs.length; index += 2) if (pairs[index] === 'Vary') return index;
  return -1;
}

function headerLines(control: string, vary: string): HeaderLines {
  const pairs = vary === '' ? ['Cache-Control', control] : ['Cache-Control', control, 'Vary', vary];
  let lines = '';
  for (let index = 0; index < pairs.length; index += 2) lines += `${pairs[index]}: ${pairs[index + 1]}\r\n`;
  return { pairs, lines };
}

function joinNonEmpty(first: string, second: string): string {
  return [first, second].filter((text) => text !== '').join(', ');
}
