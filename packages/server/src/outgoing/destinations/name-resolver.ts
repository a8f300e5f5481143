import { lookup as systemLookup, promises, type LookupAddress } from 'node:dns';

/** All addresses of a name, each once. Rejects when there are none. */
export type ResolveName = (name: string) => Promise<readonly LookupAddress[]>;

/** The system's own resolver: files, then name servers. It has four threads in all, which slow names can hold. */
export const resolveBySystem: ResolveName = (name) =>
  new Promise((resolve, reject) =>
    systemLookup(name, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error))),
  );

const QUERY_TIMEOUT_MS = 2000;
const QUERY_TRIES = 2;
/** Names that no name server knows, and that are looked for in the system's files at once. */
const FILES_CONCURRENT_MAX = 2;

/**
 * Asks name servers without holding a thread, so that a thousand slow names delay nobody else's. What they do not know is looked for
 * where the system looks (its `hosts` file, search domains), a few at a time. A name that is being looked up is not looked up twice.
 *
 * @param servers `address` or `address:port`; none: those of the system
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

/** The system's name servers may become others, of which a resolver does not hear. */
const RECREATE_INTERVAL_MS = 60_000;

function resolverOf(servers: readonly string[]): promises.Resolver {
  const resolver = new promises.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  return resolver;
}

/** What was made lately, or made anew; whoever uses the one before goes on with it. */
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

/** How long an answer of one kind waits for that of the other, which some name servers never give. */
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

/** Lets so many calls run, and the others wait in line. */
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
