/**
 * The site could not be asked, or its answer could not be parsed. The message is for the log. It
 * contains nothing of the request's content.
 */
export class SiteFailure extends Error {
  override readonly name = 'SiteFailure';
  /**
   * The cause. `question`: the site works, but it cannot answer this question. `site`: the site
   * would have failed on any question. `either`: unknown, for example after a `500`.
   */
  readonly fault: 'question' | 'site' | 'either';

  constructor(message: string, isOf: SiteFailure['fault'] = 'either') {
    super(message);
    this.fault = isOf;
  }
}
