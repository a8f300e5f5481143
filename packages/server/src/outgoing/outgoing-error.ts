import { errors } from 'undici';

/** Why a request that the hub sent came to nothing. It may be shown to whoever named the address: it tells nothing from inside. */
export type OutgoingFailure =
  /** No http or https URL, or one with a user name and password. */
  | 'url'
  /** It cannot be written as HTTP. */
  | 'request'
  /** Where it leads must not be reached from here. */
  | 'destination'
  | 'name_not_found'
  | 'connection'
  | 'certificate'
  /** Not done within the deadline. */
  | 'timeout'
  | 'too_large'
  /** No HTTP, or in an encoding that was not asked for. */
  | 'answer';

export class OutgoingError extends Error {
  override readonly name = 'OutgoingError';
  readonly failure: OutgoingFailure;
  /** What is shown to those who named the address instead, if that is less. */
  publicError: OutgoingError = this;

  constructor(failure: OutgoingFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}

const CERTIFICATE_ERROR = /^(?:ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/;
const TLS_ERROR = /^(?:EPROTO$|ERR_SSL_)/;

/** What went wrong while a connection was made. */
export function connectionFailure(error: unknown, host: string): OutgoingError {
  if (error instanceof OutgoingError) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (CERTIFICATE_ERROR.test(code))
    return new OutgoingError('certificate', `${host} has no certificate that is trusted here`, error);
  if (TLS_ERROR.test(code))
    return new OutgoingError('certificate', `${host} and the hub could not agree on TLS`, error);
  return new OutgoingError('connection', `${host} could not be reached, or went away`, error);
}

/** What went wrong in an exchange. */
export function exchangeFailure(error: unknown, host: string): OutgoingError {
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError)
    return new OutgoingError('answer', `${host} did not answer as HTTP`, error);
  if (error instanceof errors.ResponseContentLengthMismatchError)
    return new OutgoingError('answer', `${host} did not send what it announced`, error);
  if (error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError)
    return new OutgoingError('request', `the request to ${host} cannot be written as HTTP`, error);
  return connectionFailure(error, host);
}
