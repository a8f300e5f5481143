/**
 * Takes the token of the portal link from the URL's fragment. Browsers send a fragment to no server
 * and in no `Referer`. The token stays in memory alone, because a page in a frame may have no
 * cookies and no storage. Also, a later visitor cannot read what is not stored.
 *
 * Example: `/portal/#token=portal_…` becomes `/portal/`, also in the history of the browser.
 */
export function takeToken({ location, history }: Pick<Window, 'location' | 'history'>): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined;
  if (token !== undefined) history.replaceState(null, '', location.pathname);
  return token;
}
