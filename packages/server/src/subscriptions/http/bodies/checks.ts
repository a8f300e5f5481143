import type { Validator } from '../../../http/body/json-body.ts';

/** `null` stands for what holds unless something is given: `undefined`. */
export function orNull<Value>(check: Validator<Value>): Validator<Value | undefined> {
  return (value) => (value === null ? { value: undefined } : check(value));
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object, whose members are then looked at one by one. */
export const object: Validator<Readonly<Record<string, unknown>>> = (value) =>
  isObject(value) ? { value } : { wrong: 'must be an object' };

/** One of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): Validator<Word> {
  return (value) =>
    (words as readonly unknown[]).includes(value)
      ? { value: value as Word }
      : { wrong: `must be ${words.join(' or ')}` };
}
