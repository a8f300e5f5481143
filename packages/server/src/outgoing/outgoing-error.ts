/** Why a request that the hub sent came to nothing. It may be shown to whoever named the address: it tells nothing from inside. */
export type OutgoingFailure =
  /** No http or https URL, or one with a user name and password. */
  | 'url'
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

  constructor(failure: OutgoingFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}
