import type { ErrorCode } from '@polycast/protocol';
import type { Answer, Content, Parameter, Route } from './route.ts';

/** What any operation for a key with a scope may be refused with. */
const ASKING: readonly ErrorCode[] = ['unauthorized', 'token_expired', 'forbidden', 'identity_unavailable', 'draining'];
const SENDING: readonly ErrorCode[] = [
  ...ASKING,
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

/** What is particular to an operation. */
export interface Particulars {
  readonly section: string;
  readonly doc?: string;
  readonly parameters?: readonly Parameter[];
  readonly bodies?: readonly Content[];
  readonly isBodyOptional?: boolean;
  readonly answers: readonly Answer[];
  readonly errors?: readonly ErrorCode[];
}

/** An operation for who has a key with the scope that it takes. */
export function operation(
  method: Route['method'],
  path: string,
  name: string,
  summary: string,
  rest: Particulars,
): Route {
  const { section, doc = '', parameters = [], bodies = [], isBodyOptional = false, answers, errors = [] } = rest;
  const common = method === 'GET' ? ASKING : SENDING;
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

export function json(schema: Content['schema'], doc: string): Content {
  return { mediaType: 'application/json', schema, doc };
}

export function answer(status: number, doc: string, ...contents: readonly Content[]): Answer {
  return { status, doc, contents };
}

export function query(name: string, schema: Parameter['schema'], doc: string): Parameter {
  return { name, in: 'query', schema, doc };
}
