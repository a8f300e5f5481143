import { PolycastError } from '@polycast/protocol';
import * as z from 'zod';
import { invalidBody } from '../refusals.ts';

/**
 * Schemas of JSON bodies. A schema validates the body of a route and describes it in
 * `/openapi.json`. Example: `z.strictObject({ overlapSeconds: integer(0, 2_592_000).optional() })`
 * refuses `{"overlapSeconds":-1}` with `"overlapSeconds" must be a whole number from 0 to 2592000.`
 */

/**
 * What a schema asks for, as the text of its refusal. Some texts depend on the value, and some
 * values have an error of their own in place of `invalid_body`.
 */
type Requirement = string | ((value: unknown) => string | PolycastError | undefined);

const requirements = new WeakMap<z.core.$ZodType, Requirement>();

const unknownMembers = new WeakMap<z.core.$ZodType, Readonly<Record<string, string>>>();

/** Gives a schema the text of its refusal: `must be …`. It covers all that is within the schema. */
export function requiring<Schema extends z.core.$ZodType>(schema: Schema, requirement: Requirement): Schema {
  requirements.set(schema, requirement);
  return schema;
}

/**
 * Checks an object. Of several problems it reports the first, in the order of the schema's members;
 * unknown members come after them.
 * @param refused makes the refusal of a member
 * @throws PolycastError `invalid_body`, or the error of a `refuse`
 */
export function parseBody<Schema extends z.core.$ZodType>(
  schema: Schema,
  body: object,
  refused: RefusedMember = invalidBody,
): z.output<Schema> {
  const parsed = z.safeParse(schema, body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw issue === undefined ? new PolycastError('invalid_body') : refusalOf(schema, body, issue, refused);
}

/** The refusal of a member, whose path is like `delivery.batch.countMax`. */
export type RefusedMember = (member: string, reason: string) => PolycastError;

/**
 * A schema whose whole rule is a function: it returns what is wrong with a value. The schema itself
 * describes the value, and guards the function from other types.
 */
export function checkedBy<Schema extends z.ZodType>(
  schema: Schema,
  problemOf: (value: unknown) => string | PolycastError | undefined,
): Schema {
  return requiring(
    schema.refine((value) => problemOf(value) === undefined),
    problemOf,
  );
}

/** Gives unknown members of an object a reason of their own, by name; the others are `unknown`. */
export function explainingUnknown<Schema extends z.ZodObject>(
  schema: Schema,
  reasons: Readonly<Record<string, string>>,
): Schema {
  unknownMembers.set(schema, reasons);
  return schema;
}

/** The schema, or `null` for the default. */
export function orDefault<Value, Default>(schema: z.ZodType<Value>, defaultValue: Default): z.ZodType<Value | Default> {
  return schema.nullable().transform((value) => value ?? defaultValue);
}

/** An object with any names, except `__proto__`, which a record would drop in silence. */
export function withoutProto<Schema extends z.ZodType>(schema: Schema, refusal: string): z.ZodPreprocess<Schema> {
  return z.preprocess((value, context) => {
    if (isRecord(value) && Object.hasOwn(value, '__proto__'))
      context.issues.push({ code: 'custom', input: value, params: { reason: refusal } satisfies OwnRefusal });
    return value;
  }, schema);
}

/** A refusal in words of its own, which a `check` adds. */
interface OwnRefusal {
  readonly reason?: string;
  /** The error in place of `invalid_body`. */
  readonly error?: PolycastError;
}

/**
 * Refuses a value within a `check`; a problem of an earlier member goes first.
 * @param path the member, within an object
 */
export function refuse(context: z.core.ParsePayload, refusal: string | PolycastError, path: string[] = []): void {
  const params: OwnRefusal = typeof refusal === 'string' ? { reason: refusal } : { error: refusal };
  context.issues.push({ code: 'custom', input: context.value, params, path });
}

/** The refusal that a check throws. */
export function thrownRefusal(check: () => unknown): PolycastError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof PolycastError) return error;
    throw error;
  }
}

function ownRefusal(issue: z.core.$ZodIssue | undefined): OwnRefusal {
  return issue?.code === 'custom' ? (issue.params ?? {}) : {};
}

/** Finds the member of an issue, and what its schema asks for. */
function refusalOf(
  schema: z.core.$ZodType,
  body: unknown,
  issue: z.core.$ZodIssue,
  refused: RefusedMember,
): PolycastError {
  const { error, reason } = ownRefusal(issue);
  if (error !== undefined) return error;
  let found = schema;
  let value = body;
  const path: PropertyKey[] = [];
  for (const name of issue.path) {
    const member = requirementOf(found, value) === undefined ? membersOf(found)?.[String(name)] : undefined;
    if (member === undefined) break;
    path.push(name);
    found = member;
    if (!isRecord(value) || !Object.hasOwn(value, name)) return refused(path.join('.'), reason ?? 'is missing');
    value = value[String(name)];
  }
  const requirement = reason ?? requirementOf(found, value);
  if (requirement instanceof PolycastError) return requirement;
  if (requirement === undefined && issue.code === 'unrecognized_keys') {
    const [name, why] = unknownMember(found, issue.keys);
    return refused([...path, name].join('.'), why);
  }
  return refused(path.join('.'), requirement ?? (membersOf(found) === undefined ? issue.message : 'must be an object'));
}

/** The name of an unknown member, and why it is refused. */
function unknownMember(schema: z.core.$ZodType, names: readonly string[]): readonly [name: string, reason: string] {
  const reasons = unknownReasonsOf(schema);
  for (const name of names) if (Object.hasOwn(reasons, name)) return [name, reasons[name] as string];
  return [(names[0] ?? '').slice(0, 64), 'is unknown'];
}

function unknownReasonsOf(schema: z.core.$ZodType): Readonly<Record<string, string>> {
  const inner = innerOf(schema);
  return unknownMembers.get(schema) ?? (inner === undefined ? {} : unknownReasonsOf(inner));
}

/** The text of a schema, or of the schema that it describes further or makes optional. */
function requirementOf(schema: z.core.$ZodType, value: unknown): string | PolycastError | undefined {
  const own = requirements.get(schema);
  if (own !== undefined) return typeof own === 'string' ? own : own(value);
  const inner = innerOf(schema);
  return inner === undefined ? undefined : requirementOf(inner, value);
}

/** The schema that this one describes further, makes optional, or transforms. */
function innerOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  if (schema._zod.parent !== undefined) return schema._zod.parent;
  if (schema instanceof z.core.$ZodPipe) {
    const { in: first, out } = schema._zod.def;
    return first instanceof z.core.$ZodTransform ? out : first;
  }
  if (
    schema instanceof z.core.$ZodOptional ||
    schema instanceof z.core.$ZodNullable ||
    schema instanceof z.core.$ZodDefault
  )
    return schema._zod.def.innerType;
  return undefined;
}

function membersOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined {
  if (schema instanceof z.core.$ZodObject) return schema._zod.def.shape;
  const inner = innerOf(schema);
  return inner === undefined ? undefined : membersOf(inner);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A body without members. */
export const noMembers: z.ZodObject<{}, z.core.$strict> = z.strictObject({});

/**
 * A text of 1 to `lengthMax` characters, without control characters and halves of surrogate pairs.
 */
export function nonEmptyText(lengthMax: number): z.ZodString {
  // oxlint-disable-next-line no-control-regex
  const isPlain = (text: string): boolean => text.isWellFormed() && !/[\u0000-\u001f\u007f]/.test(text);
  return requiring(
    z.string().min(1).max(lengthMax).refine(isPlain),
    `must be a string of 1 to ${lengthMax} characters`,
  );
}

/** A text of at most `lengthMax` characters, without halves of surrogate pairs. */
export function wellFormedText(lengthMax: number): z.ZodString {
  return requiring(
    z
      .string()
      .max(lengthMax)
      .refine((text) => text.isWellFormed()),
    `must be a text of at most ${lengthMax} characters`,
  );
}

/** A whole number within bounds. */
export function integer(min: number, max: number): z.ZodInt {
  return requiring(z.int().min(min).max(max), `must be a whole number from ${min} to ${max}`);
}

/** One of the given words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): z.ZodEnum<{ [Each in Word]: Each }> {
  return requiring(z.enum(words), `must be ${words.join(' or ')}`);
}

/** The form of a time in RFC 3339. */
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Milliseconds since 1970, of a time in RFC 3339; NaN for any other text. */
export function timeMsOf(text: string): number {
  return TIME.test(text) ? Date.parse(text) : Number.NaN;
}

/** A time in RFC 3339; its value is in milliseconds since 1970. */
export function timestamp(): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  const schema = z
    .string()
    .meta({ format: 'date-time' })
    .transform((text, context) => {
      const timeMs = timeMsOf(text);
      if (Number.isNaN(timeMs)) context.issues.push({ code: 'custom', input: text });
      return timeMs;
    });
  return requiring(schema, 'must be a time such as 2027-01-31T12:00:00Z');
}
