/** The site did not answer, or not in the documented form. The message is for the log: it never holds what the site sent or was sent. */
export class SiteFailure extends Error {
  override readonly name = 'SiteFailure';
}
