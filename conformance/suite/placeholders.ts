import type { Notes } from './case.ts';

/** What a placeholder of an expectation stands for. */
const FORMS: Readonly<Record<string, string>> = {
  cursor: '[0-9a-z-]{22}',
  time: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z',
  number: '\\d+',
  text: '[^"]*',
  any: '.*?',
};

/** Puts in what has been noted. */
export function fill(template: string, notes: Notes): string {
  return template.replaceAll(/\{([a-z]\w*)\}/g, (whole, name: string) => notes.get(name) ?? whole);
}

/** Whether a text is as expected; what it was named for is noted. */
export function matchesText(template: string, text: string, notes: Notes): boolean {
  const names: string[] = [];
  const pattern = fill(template, notes)
    .split(/(<\w+(?::\w+)?>)/)
    .map((part) => {
      const [, form = '', name] = /^<(\w+)(?::(\w+))?>$/.exec(part) ?? [];
      if (FORMS[form] === undefined) return part.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
      if (name !== undefined) names.push(name);
      return name === undefined ? `(?:${FORMS[form]})` : `(${FORMS[form]})`;
    })
    .join('');
  const match = new RegExp(`^${pattern}$`, 's').exec(text);
  for (const [index, name] of names.entries()) if (match !== null) notes.set(name, match[index + 1] as string);
  return match !== null;
}

/** The first place where a JSON value is not as expected; undefined when it is. Members must be the same, in any order. */
export function mismatch(expected: unknown, actual: unknown, notes: Notes, path = '$'): string | undefined {
  if (typeof expected === 'string' && (typeof actual === 'string' || typeof actual === 'number')) {
    return matchesText(expected, String(actual), notes)
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
    const problem = mismatch(value, (actual as Record<string, unknown>)[key], notes, `${path}.${key}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
