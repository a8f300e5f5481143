import * as z from 'zod';

/** The documentation of a field, from which the reference and `docs/defaults.md` are generated. */
export interface FieldDoc {
  /** The form of the value in words, with unit and bounds. */
  readonly form: string;
  /** The effect of the field, and the behaviour at its limit. */
  readonly doc: string;
  /** The reason for the default. */
  readonly why: string;
}

/** The documentation of every field, by its schema. */
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

/** A whole number, or null for no bound. */
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

/** Any other schema, with its form in words. */
export function field<Schema extends z.ZodType>(schema: Schema, doc: FieldDoc): Schema {
  documented.add(schema, doc);
  return schema;
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}
