import { invalid, parameters } from './events-query.ts';

/** The parameters of a query, each of which may be given once. @throws PolycastError `invalid_parameter` */
export function singles(query: string, names: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of parameters(query)) {
    if (!names.includes(name)) throw invalid(name.slice(0, 64), 'is not a parameter of this address');
    if (values.has(name)) throw invalid(name, 'may be given once');
    values.set(name, value);
  }
  return values;
}
