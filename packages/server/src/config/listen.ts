import { isIP } from 'node:net';

/**
 * The address to listen on: a host name or an address without brackets, and a port (0: any free
 * one).
 */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * The port of a hub when none is configured. Development servers and proxies commonly use 3000,
 * 5173, 8000 and 8080. This port's registered user is discovery of DDS, which uses UDP.
 */
export const DEFAULT_PORT = 7400;

const FORM = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:[\]]+)):(?<port>\d{1,5})$/;

/** Parses `host:port` and `[::1]:port`. `undefined` for any other form. */
export function parseListen(text: string): ListenAddress | undefined {
  const groups = FORM.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const port = Number(groups['port']);
  const { bracketed, plain } = groups;
  if (port > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6)) return undefined;
  return { host: (bracketed ?? plain) as string, port };
}

/** The inverse of `parseListen`. URLs have the same form. */
export function formatListen({ host, port }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Whether only processes of this machine can reach the host. Names other than `localhost` are not
 * resolved, and count as reachable by others.
 */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const family = isIP(host);
  if (family === 4) return host.startsWith('127.');
  return family === 6 && new URL(`http://[${host}]`).hostname === '[::1]';
}

/**
 * Whether the hub trusts everything on this machine: it has no access control, and only this
 * machine can reach it.
 */
export function trustsLoopback({ access }: { readonly access: 'rules' | 'loopback' | 'open' }): boolean {
  return access === 'loopback';
}
