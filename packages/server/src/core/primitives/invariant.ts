/**
 * An invariant is a statement about the state of an object that holds between any two calls, such
 * as "the bytes are the sum over all events". A violation is a fault of the program, never of a
 * client. Throwing in the place where the state is wrong is safer than losing events later.
 *
 * Two kinds of checks use it. Those of a single comparison are part of the operation, and always
 * run. Those that visit the whole state are in methods called `assertInvariants`, which tests and
 * simulations call after each step.
 */
export class InvariantError extends Error {}

/** @param statement what must hold, a constant: `tail: positions rise` */
export function assertInvariant(holds: boolean, statement: string): asserts holds {
  if (!holds) throw new InvariantError(`Broken invariant: ${statement}`);
}

/** Asserts that numbers rise, as positions in a queue do. */
export function assertRising(values: Iterable<number>, statement: string): void {
  let before = -Infinity;
  for (const value of values) {
    assertInvariant(value > before, statement);
    before = value;
  }
}

/** Asserts that no number is smaller than the one before it, as times in a queue are not. */
export function assertSorted(values: Iterable<number>, statement: string): void {
  let before = -Infinity;
  for (const value of values) {
    assertInvariant(value >= before, statement);
    before = value;
  }
}
