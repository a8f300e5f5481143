import { PolycastError } from '@polycast/protocol';

/**
 * Whether an event passes; the argument is the value of its JSON. It never throws, for any value.
 * Its time is proportional to the filter and to the lists that it searches.
 */
export type Filter = (event: unknown) => boolean;

const DEPTH_MAX = 8;
const OPERATORS_MAX = 100;
const POINTER_LENGTH_MAX = 500;
const POINTER_TOKENS_MAX = 16;
const TEXT_LENGTH_MAX = 1000;
const CHOICES_MAX = 100;

/**
 * Compiles a subscription's filter (PROTOCOL.md section 14.1). Operators are equality, comparison,
 * presence, and, or, not, on values in an event. The result is true or false for every value.
 *
 * Example: `{"equals": ["/data/status", "paid"]}`.
 * @throws PolycastError `invalid_filter`; `at` is the place in the filter, as a JSON pointer
 */
export function compileFilter(filter: unknown): Filter {
  return new Compiler().compile(filter, '', 1);
}

type Scalar = string | number | boolean | null;

/** Tests the value at a pointer; `undefined` when the pointer finds nothing. */
type ValuePredicate = (found: unknown) => boolean;

/** The test that a filter's value asks for, or an error text. */
type PredicateOf = (value: unknown) => ValuePredicate | string;

/** Operators with a pointer and a value. */
const PREDICATES: Readonly<Record<string, PredicateOf>> = {
  equals: (value) => (isScalar(value) ? (found) => found === value : SCALAR_RULE),
  differs: (value) => (isScalar(value) ? (found) => found !== undefined && found !== value : SCALAR_RULE),
  less: (value) => comparison(value, (found, bound) => found < bound),
  lessOrEqual: (value) => comparison(value, (found, bound) => found <= bound),
  greater: (value) => comparison(value, (found, bound) => found > bound),
  greaterOrEqual: (value) => comparison(value, (found, bound) => found >= bound),
  oneOf(value) {
    if (!Array.isArray(value) || value.length === 0 || value.length > CHOICES_MAX || !value.every(isScalar))
      return `the value must be a list of 1 to ${CHOICES_MAX} strings, numbers, booleans or null`;
    const choices = new Set<unknown>(value);
    return (found) => choices.has(found);
  },
  startsWith: (value) =>
    isText(value)
      ? (found) => typeof found === 'string' && found.startsWith(value)
      : `the value must be a string ${TEXT_RULE}`,
  contains(value) {
    if (!isScalar(value)) return SCALAR_RULE;
    return (found) =>
      Array.isArray(found)
        ? found.includes(value)
        : typeof found === 'string' && typeof value === 'string' && found.includes(value);
  },
};

const TEXT_RULE = `of at most ${TEXT_LENGTH_MAX} characters`;
const SCALAR_RULE = `the value must be a string ${TEXT_RULE}, a number, a boolean or null`;

/** Compares two numbers or two texts; false for other types. */
function comparison(
  bound: unknown,
  compare: (found: string | number, bound: string | number) => boolean,
): ValuePredicate | string {
  if (typeof bound !== 'number' && typeof bound !== 'string') return 'the value must be a number or a string';
  if (!isScalar(bound)) return SCALAR_RULE;
  const kind = typeof bound;
  return (found) => typeof found === kind && compare(found as string | number, bound);
}

class Compiler {
  #operators = 0;

  /** @param at JSON pointer of this part within the whole filter */
  compile(part: unknown, at: string, depth: number): Filter {
    if (depth > DEPTH_MAX) throw invalid(at, `it is nested more than ${DEPTH_MAX} deep`);
    if (++this.#operators > OPERATORS_MAX) throw invalid(at, `it has more than ${OPERATORS_MAX} operators`);
    const [name, operand] = operatorOf(part, at);
    const within = `${at}/${name}`;
    if (name === 'all') return everyOf(this.#compileAll(operand, within, depth));
    if (name === 'any') return someOf(this.#compileAll(operand, within, depth));
    if (name === 'not') {
      const inner = this.compile(operand, within, depth + 1);
      return (event) => !inner(event);
    }
    if (name === 'present') {
      const find = compilePointer(operand, within);
      return (event) => find(event) !== undefined;
    }
    const predicateOf = Object.hasOwn(PREDICATES, name) ? PREDICATES[name] : undefined;
    if (predicateOf === undefined) throw invalid(at, `the operator must be one of ${OPERATORS.join(', ')}`);
    return pointerFilter(predicateOf, operand, within);
  }

  #compileAll(operand: unknown, at: string, depth: number): readonly Filter[] {
    if (!Array.isArray(operand) || operand.length === 0) throw invalid(at, 'the value must be a list of filters');
    return operand.map((part, index) => this.compile(part, `${at}/${index}`, depth + 1));
  }
}

function everyOf(parts: readonly Filter[]): Filter {
  return (event) => parts.every((part) => part(event));
}

function someOf(parts: readonly Filter[]): Filter {
  return (event) => parts.some((part) => part(event));
}

function operatorOf(part: unknown, at: string): [name: string, operand: unknown] {
  if (typeof part !== 'object' || part === null || Array.isArray(part))
    throw invalid(at, 'the filter must be an object with one operator, such as {"equals": ["/data/status", "paid"]}');
  const entries = Object.entries(part);
  const [first] = entries;
  if (first === undefined || entries.length > 1) throw invalid(at, 'the filter must have exactly one operator');
  return first;
}

const OPERATORS: readonly string[] = ['all', 'any', 'not', 'present', ...Object.keys(PREDICATES)];

function pointerFilter(predicateOf: PredicateOf, operand: unknown, at: string): Filter {
  if (!Array.isArray(operand) || operand.length !== 2)
    throw invalid(at, 'the operand must be a list of a JSON pointer and a value');
  const [pointer, value] = operand as readonly unknown[];
  const find = compilePointer(pointer, `${at}/0`);
  const test = predicateOf(value);
  if (typeof test === 'string') throw invalid(`${at}/1`, test);
  return (event) => test(find(event));
}

/** Looks up a JSON pointer (RFC 6901); `undefined` when it finds nothing. */
function compilePointer(pointer: unknown, at: string): (event: unknown) => unknown {
  if (typeof pointer !== 'string' || pointer.length > POINTER_LENGTH_MAX || !POINTER.test(pointer))
    throw invalid(
      at,
      `the operand must be a JSON pointer of at most ${POINTER_LENGTH_MAX} characters, such as /data/status`,
    );
  const tokens = pointer.split('/').slice(1).map(unescaped);
  if (tokens.length > POINTER_TOKENS_MAX) throw invalid(at, `the pointer has more than ${POINTER_TOKENS_MAX} tokens`);
  return (event) => {
    let found: unknown = event;
    for (const token of tokens) {
      found = memberOf(found, token);
      if (found === undefined) return undefined;
    }
    return found;
  };
}

const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/u;
const INDEX = /^(?:0|[1-9]\d{0,8})$/;

function memberOf(value: unknown, token: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return INDEX.test(token) ? (value as readonly unknown[])[Number(token)] : undefined;
  return Object.hasOwn(value, token) ? (value as Readonly<Record<string, unknown>>)[token] : undefined;
}

function unescaped(token: string): string {
  return token.includes('~') ? token.replaceAll('~1', '/').replaceAll('~0', '~') : token;
}

function isScalar(value: unknown): value is Scalar {
  if (typeof value === 'string') return isText(value);
  // JSON would store an infinite number as null.
  return value === null || typeof value === 'boolean' || Number.isFinite(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TEXT_LENGTH_MAX;
}

function invalid(at: string, why: string): PolycastError {
  const place = at.slice(0, POINTER_LENGTH_MAX);
  return new PolycastError('invalid_filter', `${place === '' ? 'In the filter' : `At ${place}`}, ${why}.`, {
    at: place,
  });
}
