import { PolycastError } from '@polycast/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileFilter } from './filter.ts';

const EVENT = {
  channel: 'orders.42',
  type: 'order.paid',
  data: { total: 25, status: 'paid', note: null, tags: ['new', 7], 'a/b': { '~': 1 }, items: [{ sku: 'x' }] },
};

describe('a filter (PROTOCOL.md section 14.1)', () => {
  test.each<[filter: unknown, passes: boolean]>([
    [{ equals: ['/data/status', 'paid'] }, true],
    [{ equals: ['/data/status', 'open'] }, false],
    [{ equals: ['/data/note', null] }, true],
    [{ equals: ['/data/nothing', null] }, false],
    [{ equals: ['/data/total', '25'] }, false],
    [{ differs: ['/data/status', 'open'] }, true],
    [{ differs: ['/data/nothing', 'open'] }, false],
    [{ less: ['/data/total', 26] }, true],
    [{ less: ['/data/total', 25] }, false],
    [{ lessOrEqual: ['/data/total', 25] }, true],
    [{ greater: ['/data/total', 24.5] }, true],
    [{ greaterOrEqual: ['/data/status', 'paib'] }, true],
    [{ greater: ['/data/status', 1] }, false],
    [{ greater: ['/data/note', 1] }, false],
    [{ oneOf: ['/type', ['order.paid', 'order.shipped']] }, true],
    [{ oneOf: ['/data/nothing', [null]] }, false],
    [{ startsWith: ['/channel', 'orders.'] }, true],
    [{ startsWith: ['/data/total', '2'] }, false],
    [{ contains: ['/data/tags', 'new'] }, true],
    [{ contains: ['/data/tags', 7] }, true],
    [{ contains: ['/data/status', 'ai'] }, true],
    [{ contains: ['/data/total', 2] }, false],
    [{ present: '/data/note' }, true],
    [{ present: '/data/nothing' }, false],
    [{ present: '/data/toString' }, false],
    [{ present: '' }, true],
    [{ present: '/data/tags/1' }, true],
    [{ present: '/data/tags/2' }, false],
    [{ present: '/data/tags/01' }, false],
    [{ present: '/data/tags/length' }, false],
    [{ present: '/data/tags/-' }, false],
    [{ equals: ['/data/a~1b/~0', 1] }, true],
    [{ equals: ['/data/items/0/sku', 'x'] }, true],
    [{ equals: ['/data/items', 'x'] }, false],
    [{ not: { present: '/data/nothing' } }, true],
    [{ all: [{ present: '/data' }, { equals: ['/type', 'order.paid'] }] }, true],
    [{ all: [{ present: '/data' }, { present: '/data/nothing' }] }, false],
    [{ any: [{ present: '/data/nothing' }, { present: '/data' }] }, true],
    [{ any: [{ present: '/data/nothing' }] }, false],
  ])('%j: %j', (filter, passes) => {
    expect(compileFilter(filter)(EVENT)).toBe(passes);
  });

  const deep = (depth: number): unknown => (depth === 1 ? { present: '/data' } : { not: deep(depth - 1) });

  test.each<[name: string, filter: unknown, at: string]>([
    ['a text', 'status = paid', ''],
    ['null', null, ''],
    ['a list', [{ present: '/data' }], ''],
    ['no operator', {}, ''],
    ['two operators', { present: '/data', not: { present: '/x' } }, ''],
    ['an unknown operator', { matches: ['/data', '.*'] }, ''],
    ['an inherited name', JSON.parse('{"__proto__": ["/data", 1]}'), ''],
    ['a constructor', { constructor: ['/data', 1] }, ''],
    ['no place', { equals: 'paid' }, '/equals'],
    ['three values', { equals: ['/data', 1, 2] }, '/equals'],
    ['an invalid pointer', { equals: ['data.status', 1] }, '/equals/0'],
    ['a wrong escape', { equals: ['/data/~2', 1] }, '/equals/0'],
    ['an object as value', { equals: ['/data', {}] }, '/equals/1'],
    ['an invalid number', { equals: ['/data', JSON.parse('1e999')] }, '/equals/1'],
    ['an order of booleans', { less: ['/data', true] }, '/less/1'],
    ['an order of infinity', { less: ['/data', JSON.parse('-1e999')] }, '/less/1'],
    ['no choices', { oneOf: ['/data', []] }, '/oneOf/1'],
    ['too many choices', { oneOf: ['/data', Array.from({ length: 101 }, () => 1)] }, '/oneOf/1'],
    ['a number to begin with', { startsWith: ['/data', 1] }, '/startsWith/1'],
    ['a text that is too long', { equals: ['/data', 'x'.repeat(1001)] }, '/equals/1'],
    ['a pointer that is too long', { present: `/${'x'.repeat(500)}` }, '/present'],
    ['a pointer with too many tokens', { present: '/x'.repeat(17) }, '/present'],
    ['all without operands', { all: [] }, '/all'],
    ['an error in a nested operand', { any: [{ present: '/a' }, { not: { present: 7 } }] }, '/any/1/not/present'],
    ['more than 8 deep', deep(9), '/not'.repeat(8)],
    ['more than 100 operators', { all: Array.from({ length: 100 }, () => ({ present: '/a' })) }, '/all/99'],
  ])('%s is refused, with the path', (_name, filter, at) => {
    const refused = refusal(() => compileFilter(filter));
    expect([refused.code, refused.extensions]).toEqual(['invalid_filter', { at }]);
  });

  test('may be 8 deep and have 100 operators', () => {
    expect(compileFilter(deep(8))(EVENT)).toBe(false);
    expect(compileFilter({ all: Array.from({ length: 99 }, () => ({ present: '/data' })) })(EVENT)).toBe(true);
  });
});

describe('for all filters and all data', () => {
  const key = fc.constantFrom('a', 'b', '0', '1', 'a/b', '~', '__proto__', 'length');
  const scalar = fc.oneof(
    fc.constantFrom(null, true, false, '', 'a', 'ab', 'b', 0, -0, 1, 2.5),
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  const value = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      scalar,
      fc.array(tie('node'), { maxLength: 3 }),
      fc
        .array(fc.tuple(key, tie('node')), { maxLength: 3 })
        .map(
          (entries) =>
            JSON.parse(
              `{${entries.map(([name, member]) => `${JSON.stringify(name)}:${JSON.stringify(member)}`).join(',')}}`,
            ) as unknown,
        ),
    ),
  })).node;
  const pointer = fc.array(key, { maxLength: 4 });
  const written = (tokens: readonly string[]): string =>
    tokens.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  const filter = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', maxDepth: 6 },
      fc
        .tuple(fc.constantFrom('equals', 'differs', 'contains'), pointer, scalar)
        .map(([name, tokens, operand]) => ({ [name]: [written(tokens), operand] })),
      fc
        .tuple(
          fc.constantFrom('less', 'lessOrEqual', 'greater', 'greaterOrEqual'),
          pointer,
          fc.oneof(fc.string(), fc.integer(), fc.constantFrom(1, 'a')),
        )
        .map(([name, tokens, operand]) => ({ [name]: [written(tokens), operand] })),
      pointer.map((tokens) => ({ present: written(tokens) })),
      fc
        .tuple(pointer, fc.array(scalar, { minLength: 1, maxLength: 4 }))
        .map(([tokens, choices]) => ({ oneOf: [written(tokens), choices] })),
      fc
        .tuple(pointer, fc.constantFrom('', 'a', 'ab'))
        .map(([tokens, text]) => ({ startsWith: [written(tokens), text] })),
      tie('node').map((inner) => ({ not: inner })),
      fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((parts) => ({ all: parts })),
      fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((parts) => ({ any: parts })),
    ),
  })).node;

  test("the result is the one of the protocol's definition", () => {
    fc.assert(
      fc.property(filter, value, (given, event) => {
        expect(compileFilter(given)(event)).toBe(naive(given as Tree, event));
      }),
      { numRuns: 2000 },
    );
  });

  test('any filter is compiled or refused, and never throws on data', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), filter), fc.anything(), (given, event) => {
        let compiled: (event: unknown) => boolean;
        try {
          compiled = compileFilter(given);
        } catch (error) {
          expect(error).toBeInstanceOf(PolycastError);
          return;
        }
        expect(typeof compiled(event)).toBe('boolean');
      }),
    );
  });
});

type Tree = Readonly<Record<string, never>>;

/** The table of section 14.1, evaluated row by row each time, independently of the compiler. */
function naive(filter: Tree, event: unknown): boolean {
  const [[name, operand]] = Object.entries(filter) as unknown as [[string, unknown]];
  if (name === 'not') return !naive(operand as Tree, event);
  if (name === 'all') return (operand as readonly Tree[]).filter((part) => !naive(part, event)).length === 0;
  if (name === 'any') return (operand as readonly Tree[]).filter((part) => naive(part, event)).length > 0;
  const [place, wanted] = (name === 'present' ? [operand, undefined] : operand) as [string, unknown];
  const found = lookUp(place, event);
  if (found.length === 0) return false;
  const [is] = found;
  const sameKind = typeof is === typeof wanted && (typeof is === 'number' || typeof is === 'string');
  const [one, other] = [is as number, wanted as number];
  switch (name) {
    case 'present':
      return true;
    case 'equals':
      return same(is, wanted);
    case 'differs':
      return !same(is, wanted);
    case 'less':
      return sameKind && one < other;
    case 'lessOrEqual':
      return sameKind && !(one > other);
    case 'greater':
      return sameKind && one > other;
    case 'greaterOrEqual':
      return sameKind && !(one < other);
    case 'oneOf':
      return (wanted as readonly unknown[]).some((choice) => same(is, choice));
    case 'startsWith':
      return typeof is === 'string' && is.slice(0, (wanted as string).length) === wanted;
    case 'contains':
      if (Array.isArray(is)) return is.some((item) => same(item, wanted));
      return typeof is === 'string' && typeof wanted === 'string' && is.indexOf(wanted) >= 0;
    default:
      throw new Error(name);
  }
}

/** Compares by JSON, where `-0` is `0`. */
function same(one: unknown, other: unknown): boolean {
  return (typeof one !== 'object' || one === null) && JSON.stringify(one) === JSON.stringify(other);
}

/** The value at a pointer, as a list of none or one. */
function lookUp(place: string, event: unknown): readonly unknown[] {
  const [, head, rest = ''] = /^\/([^/]*)(.*)$/s.exec(place) ?? [];
  if (head === undefined) return [event];
  const token = head.replaceAll('~1', '/').replaceAll('~0', '~');
  if (typeof event !== 'object' || event === null) return [];
  const entry = Object.entries(event).find(([name]) => name === token);
  return entry === undefined ? [] : lookUp(rest, entry[1]);
}

function refusal(action: () => unknown): PolycastError {
  try {
    action();
  } catch (error) {
    if (error instanceof PolycastError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
