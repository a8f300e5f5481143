import { DEFAULT_PORT } from '../config/listen.ts';
import type { Input, OptionSpec } from './command.ts';
import { CliError } from './exit-codes.ts';
import { SECRET_FORMS_HELP, resolveSecret } from './input.ts';

export const DEFAULT_URL = `http://127.0.0.1:${DEFAULT_PORT}`;

/** The option of every command that talks to a hub. */
const URL_OPTION: OptionSpec = {
  value: 'URL',
  short: 'u',
  doc: `The URL of the hub (or POLYCAST_URL); ${DEFAULT_URL} by default.`,
};

/** The credentials, for every command that talks to a hub. */
export const KEY_OPTION: OptionSpec = {
  value: 'KEY',
  short: 'k',
  doc: `A key or a token; ${SECRET_FORMS_HELP} (or POLYCAST_KEY). These forms keep it out of the list of processes.`,
};

/** The options of a command that talks to a hub. */
export const HUB_ADDRESS_OPTIONS: Readonly<Record<'url' | 'key', OptionSpec>> = { url: URL_OPTION, key: KEY_OPTION };

/** The address of the hub, and the key. */
export interface HubAddress {
  readonly url: string;
  readonly key: string | undefined;
}

/** @throws CliError `usage` */
export function hubAddress(input: Input): HubAddress {
  return { url: hubUrl(input), key: hubKey(input) };
}

/**
 * The key, or `undefined`. Messages never contain a key.
 * @throws CliError `usage` when it cannot be a key
 */
function hubKey(input: Input): string | undefined {
  const given = input.text('key');
  const key = (given === undefined ? process.env['POLYCAST_KEY'] : resolveSecret(given))?.trim();
  if (key === undefined || key === '') return undefined;
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new CliError('usage', 'the key contains spaces or other characters than ASCII');
}

/** The headers of each request. */
export function authorization({ key }: Pick<HubAddress, 'key'>): Readonly<Record<string, string>> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

/**
 * The hub's address, without a slash at its end.
 * @throws CliError `usage` when it is not an http address
 */
function hubUrl(input: Input): string {
  const text = input.text('url') ?? process.env['POLYCAST_URL'] ?? DEFAULT_URL;
  const url = URL.parse(withScheme(text, '127.0.0.1'));
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new CliError('usage', `${text} is not the URL of a hub`, `Write it like ${DEFAULT_URL}`);
  }
  return url.href.replace(/\/+$/, '');
}

/**
 * Completes an address as people write it: without a scheme it gets http. A port alone is one of
 * this machine, not an address in the form of a number. An address with another scheme stays
 * unchanged: it is a mistake, and not a host of that name.
 * @param localHost the name of this machine
 */
export function withScheme(text: string, localHost: string): string {
  const address = /^\d{1,5}$/.test(text) ? `${localHost}:${text}` : text;
  return address.includes('://') ? address : `http://${address}`;
}

/** The next step for a client without a key, or with one that the hub does not accept. */
export function keyHint({ key }: HubAddress, code: string | undefined): string | undefined {
  if (code !== 'unauthorized') return undefined;
  return key === undefined
    ? 'Give a key with --key or POLYCAST_KEY'
    : 'Check --key or POLYCAST_KEY: polycast keys list shows the keys of the hub, and polycast keys create makes a new one';
}

/** The error of a connection that failed or broke. */
export function unreachable(url: string, error: unknown): CliError {
  const cause = (error as { cause?: unknown }).cause ?? error;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code !== undefined && UNTRUSTED.test(code))
    return new CliError(
      'unreachable',
      `the certificate of ${url} is not trusted (${code})`,
      'Give the certificate of its authority: NODE_EXTRA_CA_CERTS=ca.pem polycast …',
    );
  if (code !== undefined && NO_TLS.test(code))
    return new CliError('unreachable', `${url} does not use TLS (${code})`, 'Use http instead of https');
  return new CliError(
    'unreachable',
    `no hub answers at ${url} (${code ?? message})`,
    'Start one with polycast dev, or name another one with --url or POLYCAST_URL',
  );
}

/** Error codes of OpenSSL's verification, and of Node's check of names. */
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|HOSTNAME_MISMATCH/;
const NO_TLS = /WRONG_VERSION_NUMBER|ERR_SSL_/;
