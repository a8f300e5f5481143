/**
 * The reason why a receiver rejects a request.
 *
 * - `missing_header`, `invalid_header`: the request does not come from a sender of webhooks, or a
 *   proxy removed the header
 * - `too_old`, `too_new`: its time differs from this machine's by more than the tolerance; the
 *   clocks differ, or an attacker replays a request
 * - `no_signature`: it has no signature of a scheme for which there is a key
 * - `wrong_signature`: another key signed it, or it was changed after it was signed
 * - `body_too_large`, `body_parsed`, `invalid_body`: the body cannot be read as it was sent
 */
export type WebhookErrorCode =
  | 'missing_header'
  | 'invalid_header'
  | 'too_old'
  | 'too_new'
  | 'no_signature'
  | 'wrong_signature'
  | 'body_too_large'
  | 'body_parsed'
  | 'invalid_body';

/** A rejected request. Its message is for the operator of the receiver; it contains no secret. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
  readonly code: WebhookErrorCode;

  constructor(code: WebhookErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
