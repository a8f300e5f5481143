import type { ErrorCode } from '@polycast/protocol';

/** One operation of the HTTP API, as `/openapi.json` and `docs/reference/http.md` show it. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** As in OpenAPI: `/v1/channels/{channel}`. */
  readonly path: string;
  /** Its `operationId`. */
  readonly name: string;
  readonly summary: string;
  /** The section of PROTOCOL.md that defines it. */
  readonly section: string;
  readonly doc: string;
  readonly parameters: readonly Parameter[];
  readonly bodies: readonly Content[];
  /** A request without a body is valid. */
  readonly isBodyOptional?: boolean;
  /** Whether rules can allow it to callers without credentials. */
  readonly allowsAnonymous?: boolean;
  readonly answers: readonly ResponseDescription[];
  readonly errors: readonly ErrorCode[];
}

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly schema: JsonSchema;
  readonly required?: boolean;
  readonly doc: string;
}

export interface Content {
  readonly mediaType: string;
  readonly schema: JsonSchema;
  readonly doc: string;
}

export interface ResponseDescription {
  readonly status: number;
  readonly doc: string;
  readonly contents: readonly Content[];
  /** The headers of the response, with a description each. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** JSON Schema 2020-12, as in OpenAPI 3.1. */
export type JsonSchema = Readonly<Record<string, unknown>>;
