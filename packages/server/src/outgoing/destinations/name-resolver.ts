import { lookup as systemLookup, promises, type LookupAddress } from 'node:dns';

/** Returns all addresses of a name, each once. Rejects when there are none. */
export type ResolveName = (name: string) => Promise<readonly LookupAddress[]>;

/**
 * Uses the system's resolver: files first, then name servers. It has four threads in total, and
 * slow names can block all of them.
 */
export const resolveBySystem: ResolveName = (name) =>
  new Promise((resolve, reject) =>
    systemLookup(name, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error))),
  );

const QUERY_TIMEOUT_MS = 2000;
const QUERY_TRIES = 2;
/** The bound on concurrent look-ups in the system's files, for names that no name server knows. */
const FILES_CONCURRENT_MAX = 2;

/**
 * Creates a resolver that asks name servers without blocking a thread, so a thousand slow names
 * delay no other name.
 *
 * An unknown name is then looked up by the system (its `hosts` file, search domains), a few names
 * at a time. Concurrent look-ups of the same name share one query.
 *
 * @param servers `address` or `address:port`; empty: the name servers of the system
 */
export function createResolver(servers: readonly string[] = []): ResolveName {
  const resolver = recreatedAfterInterval(() => resolverOf(servers));
  const resolveByFiles = servers.length > 0 ? undefined : limitConcurrency(FILES_CONCURRENT_MAX, resolveBySystem);
  const inFlight = new Map<string, ReturnType<ResolveName>>();
  return (name) => {
    const known = inFlight.get(name);
    if (known !== undefined) return known;
    const resolving = resolveName(resolver(), name, resolveByFiles).finally(() => inFlight.delete(name));
    inFlight.set(name, resolving);
    return resolving;
  };
}

/**
 * The system's name servers may change. A resolver does not notice this, so it is created again
 * after this time.
 */
const RECREATE_INTERVAL_MS = 60_000;

function resolverOf(servers: readonly string[]): promises.Resolver {
  const resolver = new promises.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  return resolver;
}

/**
 * Returns the recent value, or creates a new one after the interval. Callers with the old value
 * continue to use it.
 */
function recreatedAfterInterval<Made>(make: () => Made): () => Made {
  let made = make();
  let madeMs = performance.now();
  return () => {
    if (performance.now() - madeMs < RECREATE_INTERVAL_MS) return made;
    madeMs = performance.now();
    made = make();
    return made;
  };
}

/**
 * How long the first answer, IPv4 or IPv6, waits for the other one. Some name servers never answer
 * one of the two.
 */
const OTHER_FAMILY_WAIT_MS = 500;
const UNKNOWN_NAME_CODES: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

async function resolveName(
  resolver: promises.Resolver,
  name: string,
  resolveByFiles: ResolveName | undefined,
): ReturnType<ResolveName> {
  const { found, failure } = await resolveBothFamilies(resolver, name);
  if (found.length > 0) return found;
  const { code = '' } = (failure ?? {}) as NodeJS.ErrnoException;
  if (UNKNOWN_NAME_CODES.has(code) && resolveByFiles !== undefined) return resolveByFiles(name);
  throw failure ?? new Error('it has no address');
}

interface Resolution {
  readonly found: readonly LookupAddress[];
  readonly failure: unknown;
}

function resolveBothFamilies(resolver: promises.Resolver, name: string): Promise<Resolution> {
  const found: LookupAddress[] = [];
  const { promise, resolve } = Promise.withResolvers<Resolution>();
  let failure: unknown;
  let pending = 2;
  let waiting: NodeJS.Timeout | undefined;
  const finish = (): void => {
    clearTimeout(waiting);
    resolve({ found: [...found], failure });
  };
  const collect = async (family: number, query: Promise<readonly string[]>): Promise<void> => {
    try {
      found.push(...(await query).map((address) => ({ address, family })));
    } catch (error) {
      failure ??= error;
    }
    if (--pending === 0) finish();
    else if (found.length > 0) waiting = setTimeout(finish, OTHER_FAMILY_WAIT_MS);
  };
  void collect(4, resolver.resolve4(name));
  void collect(6, resolver.resolve6(name));
  return promise;
}

/** Runs at most `countMax` calls at a time. The others wait in order. */
function limitConcurrency(countMax: number, resolve: ResolveName): ResolveName {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (name) => {
    if (running === countMax) await new Promise<void>((go) => waiting.push(go));
    else running++;
    try {
      return await resolve(name);
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
