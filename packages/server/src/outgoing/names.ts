import { lookup as systemLookup, promises, type LookupAddress } from 'node:dns';

/** All addresses of a name, each once. Rejects when there are none. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

/** The system's own resolver: files, then name servers. It has four threads in all, which slow names can hold. */
export const systemResolve: Resolve = (name) =>
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
export function createResolve(servers: readonly string[] = []): Resolve {
  const resolver = new promises.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  const inFiles = servers.length > 0 ? undefined : atMost(FILES_CONCURRENT_MAX, systemResolve);
  const underWay = new Map<string, ReturnType<Resolve>>();
  return (name) => {
    const known = underWay.get(name);
    if (known !== undefined) return known;
    const look = lookUp(resolver, name, inFiles).finally(() => underWay.delete(name));
    underWay.set(name, look);
    return look;
  };
}

const UNKNOWN: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

async function lookUp(resolver: promises.Resolver, name: string, inFiles: Resolve | undefined): ReturnType<Resolve> {
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const addresses = answers.flatMap((answer, index) =>
    answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family: index === 0 ? 4 : 6 })) : [],
  );
  if (addresses.length > 0) return addresses;
  const [failure] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
  const isUnknown = UNKNOWN.has((failure as NodeJS.ErrnoException | undefined)?.code ?? '');
  if (isUnknown && inFiles !== undefined) return inFiles(name);
  throw failure ?? new Error('it has no address');
}

/** Lets so many calls run, and the others wait in line. */
function atMost(countMax: number, resolve: Resolve): Resolve {
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
