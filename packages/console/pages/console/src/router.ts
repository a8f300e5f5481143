import { useEffect, useState } from 'preact/hooks';

/**
 * A route is the part of the address after `#`, so that every view has an address of its own.
 * Example: `#/channels/orders.42?type=order.paid` has the page `channels`, the argument `orders.42`
 * and a parameter.
 */
export interface Route {
  readonly page: string;
  readonly args: readonly string[];
  readonly params: URLSearchParams;
}

export function currentRoute(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [page = '', ...args] = path.split('/').map(decoded);
  return { page: page === '' ? 'overview' : page, args, params: new URLSearchParams(query) };
}

/** A person may have typed a `%` that begins no escape. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a view. Empty parameters are left out. */
export function href(
  page: string,
  args: readonly string[] = [],
  params: Readonly<Record<string, string>> = {},
): string {
  const path = [page, ...args].map(encodeURIComponent).join('/');
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== '')).toString();
  return `#/${path}${query === '' ? '' : `?${query}`}`;
}

/** Changes parameters of the present view, without a new entry in the browser's history. */
export function setParams(changes: Readonly<Record<string, string>>): void {
  const { page, args, params } = currentRoute();
  history.replaceState(null, '', href(page, args, { ...Object.fromEntries(params), ...changes }));
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

export function useRoute(): Route {
  const [route, setRoute] = useState(currentRoute());
  useEffect(() => {
    const follow = (): void => setRoute(currentRoute());
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, []);
  return route;
}
