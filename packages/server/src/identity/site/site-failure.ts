/** The site could not be asked, or said what cannot be understood. The message is for the log: it has nothing in it that was sent. */
export class SiteFailure extends Error {
  override readonly name = 'SiteFailure';
  /**
   * `question`: the site is well, and could do nothing with this one. `site`: whatever was asked, it would have failed. `either`: nobody
   * can tell, as of a `500`.
   */
  readonly fault: 'question' | 'site' | 'either';

  constructor(message: string, isOf: SiteFailure['fault'] = 'either') {
    super(message);
    this.fault = isOf;
  }
}
