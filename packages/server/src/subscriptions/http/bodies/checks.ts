import { invalidBody, type MemberReader, type Validator } from '../../../http/body/json-body.ts';

/** Accepts `null` as `undefined`, which selects the default. */
export function orNull<Value>(check: Validator<Value>): Validator<Value | undefined> {
  return (value) => (value === null ? { value: undefined } : check(value));
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object. The caller checks its members. */
export const object: Validator<Readonly<Record<string, unknown>>> = (value) =>
  isObject(value) ? { value } : { wrong: 'must be an object' };

/** One of the given words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): Validator<Word> {
  return (value) =>
    (words as readonly unknown[]).includes(value)
      ? { value: value as Word }
      : { wrong: `must be ${words.join(' or ')}` };
}

/**
 * Rejects members that a dialect fixes.
 * @param fixed names and reasons
 * @param within the path of the object in the body, such as `delivery.`
 * @throws PolycastError `invalid_body`
 */
export function rejectFixed(members: MemberReader, fixed: Readonly<Record<string, string>>, within = ''): void {
  for (const [name, reason] of Object.entries(fixed)) if (members.has(name)) throw invalidBody(within + name, reason);
}
