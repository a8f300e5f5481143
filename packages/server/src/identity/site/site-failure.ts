/** The site did not answer, or not in the documented form. The message is for the log: it never holds what the site sent or was sent. */
export class SiteFailure extends Error {
  override readonly name = 'SiteFailure';
  /** It is up, and found fault with this one question: what anybody can bring about by what they send says nothing of the site. */
  readonly isOfQuestion: boolean;

  constructor(message: string, isOfQuestion: boolean = false) {
    super(message);
    this.isOfQuestion = isOfQuestion;
  }
}
