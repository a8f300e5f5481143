import * as z from 'zod';
import type { Parameter } from './route-description.ts';
import { readInteger, singleParameters } from './query.ts';
import { invalidParameter } from './refusals.ts';

/**
 * A parameter of a query: one declaration reads it and describes it. Example: `limitParameter(1000,
 * 100, 'The maximum number of entries.')` reads `?limit=20` as 20, and its absence as 100.
 */
export interface QueryParameter<Value> extends Parameter {
  /** @throws PolycastError `invalid_parameter` */
  readonly read: (values: ReadonlyMap<string, string>) => Value;
}

/**
 * The values of a query's parameters; each may be given once.
 * @param advice for callers that use another name, by that name
 * @throws PolycastError `invalid_parameter`
 */
export function readQuery(
  query: string,
  parameters: readonly Parameter[],
  advice?: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  return singleParameters(
    query,
    parameters.map(({ name }) => name),
    advice,
  );
}

/** What a text has to be: `must be a channel`, and how to tell. */
export interface TextRequirement {
  readonly requirement: string;
  readonly isMet: (text: string) => boolean;
}

/** A text. Without a requirement the caller checks what its schema says, and more. */
export function textParameter(
  name: string,
  schema: z.core.$ZodType,
  doc: string,
  requirement?: TextRequirement,
): QueryParameter<string | undefined> {
  return {
    name,
    in: 'query',
    schema,
    doc,
    read(values) {
      const text = values.get(name);
      if (text !== undefined && requirement?.isMet(text) === false)
        throw invalidParameter(name, requirement.requirement);
      return text;
    },
  };
}

/** A whole number within bounds. */
export function integerParameter(
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
  doc: string,
): QueryParameter<number | undefined> {
  return {
    name,
    in: 'query',
    schema: wholeNumber(min, max),
    doc,
    read: (values) => readInteger(values, name, min, max),
  };
}

/** `limit`: the most items of a page. */
export function limitParameter(max: number, defaultValue: number, doc: string): QueryParameter<number> {
  return {
    name: 'limit',
    in: 'query',
    schema: wholeNumber(1, max).default(defaultValue),
    doc,
    read: (values) => readInteger(values, 'limit', 1, max) ?? defaultValue,
  };
}

/** Both bounds in one step: each method of a schema makes a copy of it, and a start has many. */
function wholeNumber(min: number, max: number): z.ZodNumber {
  return z.int().check(z.gte(min), z.lte(max));
}

/** `before` of a list with the newest item first: the number after the end of the page. */
export const beforeParameter: QueryParameter<number> = {
  name: 'before',
  in: 'query',
  schema: z.int().min(0),
  doc: '`next` of the previous page.',
  read(values) {
    const text = values.get('before');
    if (text === undefined) return Number.MAX_SAFE_INTEGER;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw invalidParameter('before', 'must be the `next` of a page');
  },
};

/**
 * A page of a list in the order of names.
 * `next` is the name of its last entry, and the `after` of the next page.
 * @param found the entries after the last page, more than `limit` if there are more
 */
export function firstPage<Entry>(
  found: readonly Entry[],
  limit: number,
  nameOf: (entry: Entry) => string,
): { readonly shown: readonly Entry[]; readonly next: string | null } {
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  return { shown, next: found.length > limit && last !== undefined ? nameOf(last) : null };
}
