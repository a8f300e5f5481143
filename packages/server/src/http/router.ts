import { BoundedCache } from '../core/primitives/bounded-cache.ts';
import { PathTree } from './path-tree.ts';
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
  /** The routes of each path, by their methods. */
  readonly #paths = new PathTree<Map<string, Stored>>();
  readonly #cache = new BoundedCache<RouteMatch<Stored>>(CACHE_BYTES_MAX, () => CACHE_ENTRY_BYTES);

  add({ method, path }: Pick<RouteAddress, 'method' | 'path'>, stored: Stored): void {
    const methods = this.#paths.at(path, () => new Map());
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
    const methods = this.#paths.find(path)?.stored;
    if (methods === undefined) return '';
    const names = METHODS.filter((method) => methods.has(method === 'HEAD' ? 'GET' : method));
    return [...names, 'OPTIONS'].join(', ');
  }

  /** The routes of a path, for any method. */
  *findAll(path: string): Generator<RouteMatch<Stored>> {
    const pathMatch = this.#paths.find(path);
    if (pathMatch === null) return;
    for (const route of pathMatch.stored.values()) yield { route, params: pathMatch.params };
  }

  #lookUp(method: string, path: string): RouteMatch<Stored> | null {
    const pathMatch = this.#paths.find(path);
    const route = pathMatch?.stored.get(method);
    return pathMatch === null || route === undefined ? null : { route, params: pathMatch.params };
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
/** Room for some 10,000 paths, most of them those of publishes to a channel. */
const CACHE_BYTES_MAX = 8 * 1024 * 1024;
/** A match with a few parameters, in bytes. */
const CACHE_ENTRY_BYTES = 500;
const CACHED_PATH_LENGTH_MAX = 256;
