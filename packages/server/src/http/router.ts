import findMyWay from 'find-my-way';
import { BoundedCache } from '../core/primitives/bounded-cache.ts';
import type { RouteAddress } from './route.ts';

/** A route that a request leads to. */
export interface RouteMatch<Stored> {
  readonly route: Stored;
  readonly params: Readonly<Record<string, string | undefined>>;
}

/**
 * Which route answers a request. An address is looked up first, and then its method: `/v1/hooks/samples` is an address of its own, and
 * `DELETE` there is not the `DELETE` of `/v1/hooks/:id`. So `Allow` names what the route table has for that address, and nothing else.
 */
export class Router<Stored> {
  readonly #paths = findMyWay({ maxParamLength: 1024 });
  readonly #methods = new Map<string, Map<string, Stored>>();
  readonly #cache = new BoundedCache<RouteMatch<Stored>>(CACHE_BYTES_MAX, () => CACHE_ENTRY_BYTES);

  add({ method, path }: Pick<RouteAddress, 'method' | 'path'>, stored: Stored): void {
    let methods = this.#methods.get(path);
    if (methods === undefined) {
      methods = new Map();
      this.#methods.set(path, methods);
      this.#paths.on('GET', path, UNUSED_HANDLER, methods);
    }
    if (methods.has(method)) throw new Error(`${method} ${path} has two routes`);
    methods.set(method, stored);
  }

  /** The same few paths that are published to come again and again: they are remembered. */
  find(method: string, path: string): RouteMatch<Stored> | null {
    if (method !== 'POST') return this.#lookUp(method === 'HEAD' ? 'GET' : method, path);
    const cached = this.#cache.get(path);
    if (cached !== undefined) return cached;
    const found = this.#lookUp('POST', path);
    if (found === null || path.length > CACHED_PATH_LENGTH_MAX) return found;
    this.#cache.set(path, found);
    return found;
  }

  /** What `Allow` says of a path; empty where nothing is. */
  allowedMethods(path: string): string {
    const methods = this.#paths.find('GET', path)?.store as Map<string, Stored> | undefined;
    if (methods === undefined) return '';
    const names = METHODS.filter((method) => methods.has(method === 'HEAD' ? 'GET' : method));
    return [...names, 'OPTIONS'].join(', ');
  }

  #lookUp(method: string, path: string): RouteMatch<Stored> | null {
    const pathMatch = this.#paths.find('GET', path);
    if (pathMatch === null) return null;
    const stored = (pathMatch.store as Map<string, Stored>).get(method);
    return stored === undefined ? null : { route: stored, params: pathMatch.params };
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'];
/** Some 10,000 paths: what is published to a channel's own address, for the most part. */
const CACHE_BYTES_MAX = 8 * 1024 * 1024;
/** A match with a few parameters. */
const CACHE_ENTRY_BYTES = 500;
const CACHED_PATH_LENGTH_MAX = 256;
/** `find-my-way` asks for a handler; what is found is in the store. */
const UNUSED_HANDLER = (): void => undefined;
