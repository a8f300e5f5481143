import { OriginList } from '../../http/headers/origin-list.ts';

/**
 * Which endpoints need not be asked for their consent (`subscriptions.trustedEndpoints`).
 * @param loopback whether those on this machine are among them: where nobody else reaches the hub
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
