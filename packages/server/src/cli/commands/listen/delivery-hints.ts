import type { Terminal } from '../../terminal.ts';
import type { LocalAnswer } from './local-request.ts';

/** Says the next step after a failed delivery, once for each kind of failure in a row. */
export class DeliveryHints {
  readonly #forward: string | undefined;
  readonly #isSecretNew: boolean;
  readonly #terminal: Pick<Terminal, 'notice' | 'noticeStyle'>;
  #last: string | undefined;

  constructor(
    { forward, isSecretNew }: { readonly forward: string | undefined; readonly isSecretNew: boolean },
    terminal: Pick<Terminal, 'notice' | 'noticeStyle'>,
  ) {
    this.#forward = forward;
    this.#isSecretNew = isSecretNew;
    this.#terminal = terminal;
  }

  onAnswer(answer: LocalAnswer): void {
    const hint = this.#hintOf(answer);
    if (hint === this.#last) return;
    this.#last = hint;
    const { notice, noticeStyle } = this.#terminal;
    if (hint !== undefined) notice(noticeStyle('dim', `  ${hint}`));
  }

  #hintOf({ status, why }: LocalAnswer): string | undefined {
    if (why === 'ECONNREFUSED')
      return `No server listens at ${this.#forward}: start yours, then press the letter to send the event again.`;
    if (status !== 401) return undefined;
    return this.#isSecretNew
      ? 'Your server must verify with the secret above. To use its own secret, run the command with --secret.'
      : 'Your server must verify with the secret of --secret or POLYCAST_WEBHOOK_SECRET.';
  }
}
