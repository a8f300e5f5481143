import { httpClient } from '../platform/http-client.ts';

/**
 * Why a request of the hub failed. A user who chose the address may see it: it reveals nothing
 * about the internal network.
 */
export type OutgoingFailure =
  /** Not an http or https URL, or it contains a user name or a password. */
  | 'url'
  /** The request cannot be written as HTTP. */
  | 'request'
  /** The configuration forbids the destination. */
  | 'destination'
  | 'name_not_found'
  | 'connection'
  | 'certificate'
  /** The exchange did not end before its deadline. */
  | 'timeout'
  | 'too_large'
  /** The answer is not HTTP, or its encoding was not requested. */
  | 'answer';

export class OutgoingError extends Error {
  override readonly name = 'OutgoingError';
  readonly failure: OutgoingFailure;
  /** The error for users who chose the address. It may reveal less than this one. */
  publicError: OutgoingError = this;

  constructor(failure: OutgoingFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}

const CERTIFICATE_ERROR = /^(?:ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/;
const TLS_ERROR = /^(?:EPROTO$|ERR_SSL_)/;

/** Converts an error of a connection. */
export function connectionFailure(error: unknown, host: string): OutgoingError {
  if (error instanceof OutgoingError) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (CERTIFICATE_ERROR.test(code))
    return new OutgoingError('certificate', `the certificate of ${host} is not trusted`, error);
  if (TLS_ERROR.test(code))
    return new OutgoingError('certificate', `${host} and the hub could not agree on TLS`, error);
  return new OutgoingError('connection', `${host} is not reachable, or it closed the connection`, error);
}

/** Converts an error of an exchange, once the HTTP client has been loaded. */
export function exchangeFailure(error: unknown, host: string): OutgoingError {
  const { errors } = httpClient();
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError)
    return new OutgoingError('answer', `${host} did not answer as HTTP`, error);
  if (error instanceof errors.ResponseContentLengthMismatchError)
    return new OutgoingError('answer', `${host} did not send the announced body`, error);
  if (error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError)
    return new OutgoingError('request', `the request to ${host} cannot be written as HTTP`, error);
  return connectionFailure(error, host);
}
