/**
 * Why a request is not taken for a webhook.
 *
 * - `missing_header`, `invalid_header`: it does not come from a sender of this kind, or somebody on the way took it away
 * - `too_old`, `too_new`: its time is further from this machine's than is tolerated; clocks, or a request sent again
 * - `no_signature`: it is signed by none of the schemes that there are keys for
 * - `wrong_signature`: another key, or something that was changed after it was signed
 * - `body_too_large`, `body_parsed`, `invalid_body`: it cannot be read as it was sent
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

/** A request that is not taken. Its message is for the one who runs the receiver; nothing secret is in it. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
  readonly code: WebhookErrorCode;

  constructor(code: WebhookErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
