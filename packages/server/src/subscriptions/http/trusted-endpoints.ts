import { OriginList } from '../../http/headers/origin-list.ts';

/**
 * Decides which endpoints need no verification (`subscriptions.trustedEndpoints`).
 * @param loopback whether endpoints on this machine are trusted: true if the hub is reachable only
 * from here
 */
export function createEndpointTrust(trustedEndpoints: readonly string[], loopback: boolean): (url: string) => boolean {
  const origins = new OriginList(trustedEndpoints);
  return (text) => {
    const url = URL.parse(text);
    if (url === null) return false;
    return origins.allowsAny || origins.includes(url.origin) || (loopback && LOOPBACK.test(url.hostname));
  };
}

const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])\.?$/;
