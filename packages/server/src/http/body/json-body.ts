import { PolycastError } from '@polycast/protocol';
import { checkUniqueMembers } from './duplicate-member.ts';
import { checkUtf8Json, parseMediaType } from './media-type.ts';
import { decodeUtf8 } from './request-body.ts';

/** Checks a member of a body: returns its value, or a text that says what it must be. */
export type Validator<Value> = (value: unknown) => { readonly value: Value } | { readonly wrong: string };

/**
 * Reads the members of a body one by one. `rejectUnknown` refuses the members that were not read.
 */
export class MemberReader {
  readonly #values: Map<string, unknown>;
  readonly #path: string;

  /** @param within the path of the object in the body, such as `delivery.` */
  constructor(values: Readonly<Record<string, unknown>>, within = '') {
    this.#values = new Map(Object.entries(values));
    this.#path = within;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Reads a member; `undefined` when it is absent. @throws PolycastError `invalid_body` */
  optional<Value>(name: string, check: Validator<Value>): Value | undefined {
    if (!this.#values.has(name)) return undefined;
    const checked = check(this.#values.get(name));
    this.#values.delete(name);
    if ('wrong' in checked) throw invalidBody(this.#path + name, checked.wrong);
    return checked.value;
  }

  /** @throws PolycastError `invalid_body` */
  required<Value>(name: string, check: Validator<Value>): Value {
    if (!this.#values.has(name)) throw invalidBody(this.#path + name, 'is missing');
    return this.optional(name, check) as Value;
  }

  /** The names of the members that were not read. */
  get remainingNames(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** @throws PolycastError `invalid_body` */
  rejectUnknown(): void {
    for (const name of this.#values.keys()) throw invalidBody(this.#path + name.slice(0, 64), 'is unknown');
  }
}

/**
 * Parses a body as an object; an empty body is an empty object.
 * @throws PolycastError `invalid_json`, `duplicate_member`, `invalid_body`,
 * `unsupported_media_type`
 */
export function parseObject(bytes: Buffer, contentType: string | undefined): Readonly<Record<string, unknown>> {
  if (bytes.length === 0) return {};
  const mediaType = parseMediaType(contentType);
  if (mediaType?.essence !== 'application/json')
    throw new PolycastError('unsupported_media_type', 'Send application/json.');
  checkUtf8Json(mediaType);
  const value = parseJson(decodeUtf8(bytes));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PolycastError('invalid_body', 'The body must be a JSON object.');
  return value as Readonly<Record<string, unknown>>;
}

/**
 * A text of 1 to `lengthMax` characters, without control characters and halves of surrogate pairs.
 */
export function nonEmptyText(lengthMax: number): Validator<string> {
  return (value) =>
    // oxlint-disable-next-line no-control-regex
    isWellFormedText(value, lengthMax) && value !== '' && !/[\u0000-\u001f\u007f]/.test(value)
      ? { value }
      : { wrong: `must be a string of 1 to ${lengthMax} characters` };
}

/**
 * Whether the value is a text of at most `lengthMax` characters without a half of a surrogate pair
 * (PROTOCOL.md section 9.1).
 */
export function isWellFormedText(value: unknown, lengthMax: number): value is string {
  return typeof value === 'string' && value.length <= lengthMax && value.isWellFormed();
}

/** A whole number within bounds. */
export function integer(min: number, max: number): Validator<number> {
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? { value: value as number }
      : { wrong: `must be a whole number from ${min} to ${max}` };
}

/** The form of a time in RFC 3339. */
export const TIME: RegExp = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

export function invalidBody(member: string, reason: string): PolycastError {
  return new PolycastError('invalid_body', `"${member}" ${reason}.`, { member });
}

function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new PolycastError('invalid_json');
  }
  checkUniqueMembers(text);
  return value;
}
