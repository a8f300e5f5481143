import * as z from 'zod';

/** What a person needs to know of a field: the reference and `docs/defaults.md` are made of this. */
export interface FieldDoc {
  /** The form of the value, with unit and bounds, in words. */
  readonly form: string;
  /** What it does, and what happens at the limit. */
  readonly doc: string;
  /** Why the default is what it is. */
  readonly why: string;
}

/** What is known of every field, by its schema. */
export const documented: z.core.$ZodRegistry<FieldDoc> = z.registry<FieldDoc>();

interface NumberOptions {
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

type FieldTexts = Pick<FieldDoc, 'doc' | 'why'>;

/** A whole number with its bounds. */
export function integerField(
  { unit, min, max, default: value }: NumberOptions,
  words: FieldTexts,
): z.ZodDefault<z.ZodNumber> {
  const schema = z.int().min(min).max(max).default(value);
  return schema.register(documented, { form: `whole number of ${unit}, ${grouped(min)} to ${grouped(max)}`, ...words });
}

/** A whole number, or null for no bound at all. */
export function integerOrNullField(
  options: Omit<NumberOptions, 'default'> & { readonly default: number | null },
  words: FieldTexts,
): z.ZodDefault<z.ZodNullable<z.ZodNumber>> {
  const { unit, min, max } = options;
  const schema = z.int().min(min).max(max).nullable().default(options.default);
  return schema.register(documented, {
    form: `whole number of ${unit}, ${grouped(min)} to ${grouped(max)}, or null: no bound`,
    ...words,
  });
}

/** One of a few words. */
export function choiceField<const Word extends string>(
  words: readonly Word[],
  value: NoInfer<Word>,
  texts: FieldTexts,
): z.ZodDefault<z.ZodEnum<{ [Each in Word]: Each }>> {
  const schema = z.enum(words).default(value as never) as z.ZodDefault<z.ZodEnum<{ [Each in Word]: Each }>>;
  return schema.register(documented, { form: words.map((word) => `\`${word}\``).join(' or '), ...texts });
}

/** Any other schema, its form told in words. */
export function field<Schema extends z.ZodType>(schema: Schema, doc: FieldDoc): Schema {
  documented.add(schema, doc);
  return schema;
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}
