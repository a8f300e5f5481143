/**
 * A value, or several of them. Most patterns have one interest, and a list of one takes 56 bytes
 * more. A value is neither an array nor `undefined`.
 */
export type OneOrSeveral<Value> = Value | Value[];

export function forEachOf<Value>(held: OneOrSeveral<Value>, visit: (value: Value) => void): void {
  if (!Array.isArray(held)) return visit(held);
  for (const value of held as Value[]) visit(value);
}

export function holds<Value>(held: OneOrSeveral<Value> | undefined, value: Value): boolean {
  return Array.isArray(held) ? held.includes(value) : held === value;
}

/** The values with one more. A list is changed itself. */
export function withOne<Value>(held: OneOrSeveral<Value> | undefined, value: Value): OneOrSeveral<Value> {
  if (held === undefined) return value;
  if (!Array.isArray(held)) return [held, value];
  held.push(value);
  return held;
}

/** The values without one of them, in any order. `undefined`: none is left. */
export function withoutOne<Value>(
  held: OneOrSeveral<Value> | undefined,
  value: Value,
): OneOrSeveral<Value> | undefined {
  if (!Array.isArray(held)) return held === value ? undefined : held;
  const index = held.indexOf(value);
  if (index < 0) return held;
  held[index] = held[held.length - 1] as Value;
  held.pop();
  return held.length === 1 ? (held[0] as Value) : held;
}
