import * as z from 'zod';
import { groupDigits } from '../core/primitives/english.ts';

/** The documentation of a field, from which the reference and `docs/defaults.md` are generated. */
export interface FieldDoc {
  /** The form of the value in words, with unit and bounds. */
  readonly form: string;
  /** The effect of the field, and the behaviour at its limit. */
  readonly doc: string;
  /** The reason for the default. */
  readonly why: string;
  /**
   * Whether a reload applies a new value without a restart. `between_values`: only from one value
   * to another, and not from or to null. Absent: a change needs a restart.
   */
  readonly live?: boolean | 'between_values';
}

/** The documentation of every field, by its schema. */
export const documented: z.core.$ZodRegistry<FieldDoc> = z.registry<FieldDoc>();

interface NumberOptions {
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

type FieldTexts = Pick<FieldDoc, 'doc' | 'why' | 'live'>;

/** A whole number with its bounds. */
export function integerField(
  { unit, min, max, default: value }: NumberOptions,
  words: FieldTexts,
): z.ZodDefault<z.ZodNumber> {
  const schema = wholeNumber(min, max).default(value);
  return schema.register(documented, {
    form: `whole number of ${unit}, ${groupDigits(min)} to ${groupDigits(max)}`,
    ...words,
  });
}

/** A whole number, or null for no bound. */
export function integerOrNullField(
  options: Omit<NumberOptions, 'default'> & { readonly default: number | null },
  words: FieldTexts,
): z.ZodDefault<z.ZodNullable<z.ZodNumber>> {
  const { unit, min, max } = options;
  const schema = wholeNumber(min, max).nullable().default(options.default);
  return schema.register(documented, {
    form: `whole number of ${unit}, ${groupDigits(min)} to ${groupDigits(max)}, or null for no limit`,
    ...words,
  });
}

/** Both bounds in one step: each method of a schema makes a copy of it, and a start has many. */
function wholeNumber(min: number, max: number): z.ZodNumber {
  return z.int().check(z.gte(min), z.lte(max));
}

/** A setting with one of a few words as its value. */
export function choiceField<const Word extends string>(
  words: readonly Word[],
  value: NoInfer<z.core.util.NoUndefined<Word>>,
  texts: FieldTexts,
): z.ZodDefault<z.ZodLiteral<Word>> {
  return field(z.literal(words).default(value), {
    form: words.map((word) => `\`${word}\``).join(' or '),
    ...texts,
  });
}

/** The same fields without their defaults: each may be left out. */
export function optionalFields<Shape extends Readonly<Record<string, z.ZodDefault<z.ZodType>>>>(
  shape: Shape,
): { [Name in keyof Shape]: z.ZodOptional<ReturnType<Shape[Name]['unwrap']>> } {
  const fields: Record<string, z.ZodOptional<z.ZodType>> = {};
  for (const [name, schema] of Object.entries(shape)) fields[name] = schema.unwrap().optional();
  return fields as { [Name in keyof Shape]: z.ZodOptional<ReturnType<Shape[Name]['unwrap']>> };
}

/** Any other schema, with its form in words. */
export function field<Schema extends z.ZodType>(schema: Schema, doc: FieldDoc): Schema {
  documented.add(schema, doc);
  return schema;
}

/** Whether a text is a URL without user, query and fragment, so that a path can be appended. */
export function isBareUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username + url.password + url.search + url.hash === '' &&
    !text.includes('?') &&
    !text.includes('#')
  );
}

/** The type of a section of the configuration, from its fields. */
export type SectionOf<Fields extends z.core.$ZodLooseShape> = Immutable<z.output<z.ZodObject<Fields>>>;

/** A type whose members are all read-only, at every depth. */
export type Immutable<Value> = unknown extends Value
  ? Value
  : { readonly [Name in keyof Value]: Immutable<Value[Name]> };
