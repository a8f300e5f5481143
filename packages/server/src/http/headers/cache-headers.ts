import { createHmac } from 'node:crypto';
import type { Random } from '../../core/ports.ts';
import type { Principal } from '../../core/access/principal.ts';

/**
 * How long a response is valid for its receiver (PROTOCOL.md section 5.6).
 * - `now`: valid only at this moment. No cache stores it.
 * - `asked`: a cache revalidates it before each use. The response to a known caller is for that
 *   caller's own cache.
 * - `page`: it never changes, and anyone may read it. Caches share it, and revalidate it when it is
 *   old.
 */
export type Freshness = 'now' | 'asked' | 'page';

/**
 * The request headers, beside credentials, on which a response depends. `events` has several forms
 * for one address.
 */
export type ResourceKind = 'events' | 'other';

interface CacheSettings {
  /** The credential headers beside `Authorization` and `Cookie`. */
  readonly credentialHeaders: readonly string[];
  readonly pageMaxAgeSeconds: number;
}

/**
 * The one place that makes `Cache-Control`, `Vary` and entity tags, from the caller and the kind of
 * resource. A tidy rule keeps the names of these headers out of all other files. So no route can
 * omit the caller.
 */
export class CacheHeaders {
  readonly pageMaxAgeSeconds: number;
  readonly #headers: Readonly<Record<ResourceKind, Readonly<Record<Freshness, PairsByCaller>>>>;
  /** Random for each process: a tag does not reveal its caller. */
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

  /** `Cache-Control`, and `Vary` if there is a header to name. */
  pairs(principal: Principal, address: ResourceKind, freshness: Freshness): readonly string[] {
    const pairs = this.#headers[address][freshness];
    return isIdentified(principal) ? pairs.identified.pairs : pairs.anonymous.pairs;
  }

  /** The same headers as lines of a response head. */
  lines(principal: Principal, address: ResourceKind, freshness: Freshness): string {
    const pairs = this.#headers[address][freshness];
    return isIdentified(principal) ? pairs.identified.lines : pairs.anonymous.lines;
  }

  /**
   * The suffix of the cursor in entity tags of this caller: nothing for an anonymous one, else `.`
   * and a hash of its identity. So the hub never confirms one caller's cached response to another.
   * Example: `W/"0t24qj92dx-00000000001.Zk3vX0q9aB2c"`.
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

/**
 * Whether the credentials name a user, key or token. Callers of a hub without access control have
 * none.
 */
function isIdentified({ user, key, token }: Principal): boolean {
  return user !== undefined || key !== undefined || token !== undefined;
}

/** An entity tag as a header. */
export function entityTagHeader(tag: string): readonly [string, string] {
  return ['ETag', tag];
}

/** @param strong whether the bytes are the same each time */
export function entityTag(opaque: string, strong: boolean): string {
  return strong ? `"${opaque}"` : `W/"${opaque}"`;
}

/**
 * For responses that are true only now, for any caller: refusals, and those of the hub's
 * administration.
 */
export const NO_STORE: readonly string[] = ['Cache-Control', 'no-store'];

/** For responses that are the same for all callers and may change: the browser client's file. */
export const REVALIDATE: readonly string[] = ['Cache-Control', 'no-cache'];

/** For event streams: no intermediary may store them or change their bytes. */
export const STREAM_HEADERS: readonly string[] = ['Cache-Control', 'no-store, no-transform', 'Vary', 'Accept, Prefer'];

/** `Vary: Origin`, for responses whose origin decides which page may read them. */
export const VARY_ORIGIN: readonly string[] = ['Vary', 'Origin'];

/**
 * Merges two lists of header pairs. Their `Vary` headers become one line, because some proxies read
 * only the last line.
 */
export function mergeHeaderPairs(first: readonly string[], second: readonly string[]): readonly string[] {
  if (first.length === 0) return second;
  const at = indexOfVary(first);
  if (at < 0 || indexOfVary(second) < 0) return [...first, ...second];
  return addVary([...first.slice(0, at), ...first.slice(at + 2), ...second], first[at + 1] as string);
}

/** Adds a request header to the `Vary` of the pairs. */
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
