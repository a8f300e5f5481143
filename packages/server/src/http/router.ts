import findMyWay from 'find-my-way';
import { BoundedCache } from '../core/primitives/bounded-cache.ts';
import type { RouteAddress } from './route.ts';

/** The route of a request, and its path parameters. */
export interface RouteMatch<Stored> {
  readonly route: Stored;
  readonly params: Readonly<Record<string, string | undefined>>;
}

/**
 * Finds the route of a request: first by path, then by method. `/v1/hooks/samples` is a path of its
 * own, and `DELETE` there is not the `DELETE` of `/v1/hooks/:id`. So `Allow` lists exactly the
 * methods of that path.
 */
export class Router<Stored> {
  /**
   * A parameter of any length finds its route, which knows the error: the URI has a bound already.
   */
  readonly #paths = findMyWay({ maxParamLength: Number.MAX_SAFE_INTEGER });
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

  /** Finds a route. Paths of `POST` are cached, because publishers repeat the same few. */
  find(method: string, path: string): RouteMatch<Stored> | null {
    if (method !== 'POST') return this.#lookUp(method === 'HEAD' ? 'GET' : method, path);
    const cached = this.#cache.get(path);
    if (cached !== undefined) return cached;
    const found = this.#lookUp('POST', path);
    if (found === null || path.length > CACHED_PATH_LENGTH_MAX) return found;
    this.#cache.set(path, found);
    return found;
  }

  /** The value of `Allow` for a path; empty if the path has no routes. */
  allowedMethods(path: string): string {
    const methods = this.#paths.find('GET', path)?.store as Map<string, Stored> | undefined;
    if (methods === undefined) return '';
    const names = METHODS.filter((method) => methods.has(method === 'HEAD' ? 'GET' : method));
    return [...names, 'OPTIONS'].join(', ');
  }

  /** The routes of a path, for any method. */
  *findAll(path: string): Generator<RouteMatch<Stored>> {
    const pathMatch = this.#paths.find('GET', path);
    if (pathMatch === null) return;
    for (const route of (pathMatch.store as Map<string, Stored>).values()) yield { route, params: pathMatch.params };
  }

  #lookUp(method: string, path: string): RouteMatch<Stored> | null {
    const pathMatch = this.#paths.find('GET', path);
    if (pathMatch === null) return null;
    const stored = (pathMatch.store as Map<string, Stored>).get(method);
    return stored === undefined ? null : { route: stored, params: pathMatch.params };
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
/** Room for some 10,000 paths, most of them those of publishes to a channel. */
const CACHE_BYTES_MAX = 8 * 1024 * 1024;
/** A match with a few parameters, in bytes. */
const CACHE_ENTRY_BYTES = 500;
const CACHED_PATH_LENGTH_MAX = 256;
/** `find-my-way` requires a handler; the hub uses its store alone. */
const UNUSED_HANDLER = (): void => undefined;
