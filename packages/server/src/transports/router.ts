import findMyWay from 'find-my-way';
import { Memo } from '../core/memo.ts';
import type { Address } from './route.ts';

/** A route that a request leads to. */
export interface Match<Stored> {
  readonly stored: Stored;
  readonly params: Readonly<Record<string, string | undefined>>;
}

/**
 * Which route answers a request. An address is looked up first, and then its method: `/v1/hooks/samples` is an address of its own, and
 * `DELETE` there is not the `DELETE` of `/v1/hooks/:id`. So `Allow` names what the route table has for that address, and nothing else.
 */
export class Router<Stored> {
  readonly #addresses = findMyWay({ maxParamLength: 1024 });
  readonly #methods = new Map<string, Map<string, Stored>>();
  readonly #found = new Memo<Match<Stored>>(FOUND_BYTES_MAX, () => FOUND_BYTES);

  add({ method, path }: Pick<Address, 'method' | 'path'>, stored: Stored): void {
    let methods = this.#methods.get(path);
    if (methods === undefined) {
      methods = new Map();
      this.#methods.set(path, methods);
      this.#addresses.on('GET', path, NEVER, methods);
    }
    if (methods.has(method)) throw new Error(`${method} ${path} has two routes`);
    methods.set(method, stored);
  }

  /** The same few paths that are published to come again and again: they are remembered. */
  find(method: string, path: string): Match<Stored> | null {
    if (method !== 'POST') return this.#look(method === 'HEAD' ? 'GET' : method, path);
    const known = this.#found.get(path);
    if (known !== undefined) return known;
    const found = this.#look('POST', path);
    if (found === null || path.length > FOUND_PATH_MAX) return found;
    this.#found.set(path, found);
    return found;
  }

  /** What `Allow` says of a path; empty where nothing is. */
  allowed(path: string): string {
    const methods = this.#addresses.find('GET', path)?.store as Map<string, Stored> | undefined;
    if (methods === undefined) return '';
    const names = METHODS.filter((method) => methods.has(method === 'HEAD' ? 'GET' : method));
    return [...names, 'OPTIONS'].join(', ');
  }

  #look(method: string, path: string): Match<Stored> | null {
    const address = this.#addresses.find('GET', path);
    if (address === null) return null;
    const stored = (address.store as Map<string, Stored>).get(method);
    return stored === undefined ? null : { stored, params: address.params };
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'];
/** Some 10,000 paths: what is published to a channel's own address, for the most part. */
const FOUND_BYTES_MAX = 8 * 1024 * 1024;
/** A match with a few parameters. */
const FOUND_BYTES = 500;
const FOUND_PATH_MAX = 256;
/** `find-my-way` asks for a handler; what is found is in the store. */
const NEVER = (): void => undefined;
