import type { ErrorCode } from '@polycast/protocol';
import type * as z from 'zod';

/** JSON Schema 2020-12, as in OpenAPI 3.1. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * What `/openapi.json` and `docs/reference/http.md` say of a route. Its schemas are those that the
 * route validates with, so a bound cannot be said twice. Example: `describe` of `POST /v1/keys`
 * names the schema that its handler passes to `parseBody`.
 */
export interface RouteDescription {
  /** The name of the operation in generated clients, such as `createKey`. */
  readonly operationId: string;
  readonly summary: string;
  /** The section of PROTOCOL.md that defines the route. */
  readonly section: string;
  readonly details?: string;
  readonly parameters?: readonly Parameter[];
  /** The forms of the body. Generated clients use the first one. */
  readonly bodies?: readonly Content[];
  /** A request without a body is valid. */
  readonly isBodyOptional?: boolean;
  /** Rules can allow the route to callers without credentials. */
  readonly allowsAnonymous?: boolean;
  readonly responses: readonly ResponseDescription[];
  /** The errors of this route, in addition to those of its kind (`errors.ts`). */
  readonly errors?: readonly ErrorCode[];
}

export interface Parameter<Schema = z.core.$ZodType> {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly schema: Schema;
  readonly required?: boolean;
  readonly doc: string;
}

/** A body, of a request or a response. */
export interface Content<Schema = z.core.$ZodType> {
  readonly mediaType: string;
  readonly schema: Schema;
  readonly doc: string;
  /** An example. Without it, the examples of the schema's members form one. */
  readonly example?: unknown;
}

export interface ResponseDescription<Schema = z.core.$ZodType> {
  readonly status: number;
  readonly doc: string;
  readonly contents: readonly Content<Schema>[];
  /** The headers of the response, with a description each. */
  readonly headers?: Readonly<Record<string, string>>;
}

export function json(schema: z.core.$ZodType, doc: string, example?: unknown): Content {
  return { mediaType: 'application/json', schema, doc, ...(example !== undefined && { example }) };
}

export function response(status: number, doc: string, ...contents: readonly Content[]): ResponseDescription {
  return { status, doc, contents };
}

export function withHeaders(
  described: ResponseDescription,
  headers: Readonly<Record<string, string>>,
): ResponseDescription {
  return { ...described, headers: { ...described.headers, ...headers } };
}

export function pathParameter(name: string, schema: z.core.$ZodType, doc: string): Parameter {
  return { name, in: 'path', schema, required: true, doc };
}

export function queryParameter(name: string, schema: z.core.$ZodType, doc: string): Parameter {
  return { name, in: 'query', schema, doc };
}

export function headerParameter(name: string, schema: z.core.$ZodType, doc: string): Parameter {
  return { name, in: 'header', schema, doc };
}
