import { invalidParameter, parseQueryPairs } from '../streams/events-query.ts';

/** The parameters of a query; each may occur only once. @throws PolycastError `invalid_parameter` */
export function singleParameters(query: string, names: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of parseQueryPairs(query)) {
    if (!names.includes(name)) throw invalidParameter(name.slice(0, 64), 'is not a parameter of this resource');
    if (values.has(name)) throw invalidParameter(name, 'may occur only once');
    values.set(name, value);
  }
  return values;
}
