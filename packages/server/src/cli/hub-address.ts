import type { Input, OptionSpec } from './command.ts';
import { CliError } from './exit-codes.ts';

const DEFAULT_URL = 'http://127.0.0.1:8080';

/** The option of every command that talks to a hub. */
export const URL_OPTION: OptionSpec = {
  value: 'URL',
  short: 'u',
  doc: `The hub (or POLYCAST_URL); ${DEFAULT_URL} unless given.`,
};

/**
 * The hub's address, without a slash at its end.
 * @throws CliError `usage` when it is no http address
 */
export function hubUrl(input: Input): string {
  const text = input.text('url') ?? process.env['POLYCAST_URL'] ?? DEFAULT_URL;
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new CliError('usage', `${text} is no address of a hub`, `Write it like ${DEFAULT_URL}`);
  }
  return url.href.replace(/\/+$/, '');
}

/** What to say when a connection could not be made or broke. */
export function unreachable(url: string, error: unknown): CliError {
  const cause = (error as { cause?: unknown }).cause ?? error;
  const { code, message } = cause as NodeJS.ErrnoException;
  return new CliError(
    'unreachable',
    `no hub answers at ${url} (${code ?? message})`,
    'Start one with polycast dev, or name another with --url or POLYCAST_URL',
  );
}
