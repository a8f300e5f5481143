import type { Captures } from './case.ts';

/** The patterns of the placeholders in expectations. */
const FORMS: Readonly<Record<string, string>> = {
  cursor: '[0-9a-z-]{22}',
  time: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z',
  number: '\\d+',
  text: '[^"]*',
  any: '.*?',
};

/** Inserts the saved values. */
export function fill(template: string, captures: Captures): string {
  return template.replaceAll(/\{([a-z]\w*)\}/g, (whole, name: string) => captures.get(name) ?? whole);
}

/** Whether a text is as expected. Saves the named placeholders. */
export function matchesText(template: string, text: string, captures: Captures): boolean {
  const names: string[] = [];
  const pattern = fill(template, captures)
    .split(/(<\w+(?::\w+)?>)/)
    .map((part) => {
      const [, form = '', name] = /^<(\w+)(?::(\w+))?>$/.exec(part) ?? [];
      if (FORMS[form] === undefined) return part.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
      if (name !== undefined) names.push(name);
      return name === undefined ? `(?:${FORMS[form]})` : `(${FORMS[form]})`;
    })
    .join('');
  const match = new RegExp(`^${pattern}$`, 's').exec(text);
  for (const [index, name] of names.entries()) if (match !== null) captures.set(name, match[index + 1] as string);
  return match !== null;
}

/**
 * The first place where a JSON value differs from the expectation; undefined if it matches. Members
 * must be the same, in any order.
 */
export function mismatch(expected: unknown, actual: unknown, captures: Captures, path = '$'): string | undefined {
  if (typeof expected === 'string' && (typeof actual === 'string' || typeof actual === 'number')) {
    return matchesText(expected, String(actual), captures)
      ? undefined
      : `${path} is ${JSON.stringify(actual)}, not ${expected}`;
  }
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null) {
    return Object.is(expected, actual)
      ? undefined
      : `${path} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`;
  }
  const [wanted, found] = [Object.keys(expected).toSorted().join(), Object.keys(actual).toSorted().join()];
  if (wanted !== found) return `${path} has ${found}, not ${wanted}`;
  for (const [key, value] of Object.entries(expected)) {
    const problem = mismatch(value, (actual as Record<string, unknown>)[key], captures, `${path}.${key}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
