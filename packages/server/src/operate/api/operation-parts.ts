import type { ErrorCode } from '@polycast/protocol';
import type { ResponseDescription, Content, Parameter, Operation } from './operation.ts';

/** The errors of any operation that requires a key with a scope. */
const READ_ERRORS: readonly ErrorCode[] = [
  'unauthorized',
  'token_expired',
  'forbidden',
  'identity_unavailable',
  'draining',
];
const WRITE_ERRORS: readonly ErrorCode[] = [
  ...READ_ERRORS,
  'origin_not_allowed',
  'invalid_json',
  'duplicate_member',
  'invalid_utf8',
  'invalid_body',
  'body_too_large',
  'unsupported_media_type',
  'request_timeout',
  'overloaded',
  'log_full',
  'log_unavailable',
];

/** The details that differ between operations. */
export interface OperationDetails {
  readonly section: string;
  readonly doc?: string;
  readonly parameters?: readonly Parameter[];
  readonly bodies?: readonly Content[];
  readonly isBodyOptional?: boolean;
  readonly answers: readonly ResponseDescription[];
  readonly errors?: readonly ErrorCode[];
}

/** An operation that requires a key with a scope. */
export function operation(
  method: Operation['method'],
  path: string,
  name: string,
  summary: string,
  details: OperationDetails,
): Operation {
  const { section, doc = '', parameters = [], bodies = [], isBodyOptional = false, answers, errors = [] } = details;
  const common = method === 'GET' ? READ_ERRORS : WRITE_ERRORS;
  const missing: readonly ErrorCode[] = path.includes('{') ? ['not_found'] : [];
  return {
    method,
    path,
    name,
    summary,
    section,
    doc,
    parameters,
    bodies,
    isBodyOptional,
    answers,
    errors: [...common, ...missing, ...errors],
  };
}

export function jsonContent(schema: Content['schema'], doc: string): Content {
  return { mediaType: 'application/json', schema, doc };
}

export function response(status: number, doc: string, ...contents: readonly Content[]): ResponseDescription {
  return { status, doc, contents };
}

export function queryParameter(name: string, schema: Parameter['schema'], doc: string): Parameter {
  return { name, in: 'query', schema, doc };
}
