import { ConfigError, type ConfigProblem } from '../config/config-error.ts';
import { ConfiguredKeyError } from '../identity/configured-key.ts';
import { CliError } from './exit-codes.ts';
import { formatListen, parseListen, type ListenAddress } from '../config/listen.ts';
import type { Config } from '../config/parse.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Tree } from '../config/tree.ts';
import type { Input, OptionSpec } from './command.ts';

const CONFIG: OptionSpec = { value: 'FILE', short: 'c', doc: 'The configuration, a YAML file (or POLYCAST_CONFIG).' };
const DATA: OptionSpec = {
  value: 'FOLDER',
  short: 'd',
  doc: 'The data folder or :memory:, instead of `data` of the configuration.',
};
const SET: OptionSpec = {
  value: 'PATH=VALUE',
  multiple: true,
  doc: 'Sets any field: --set delivery.heartbeatMs=10000. Repeatable.',
};

/** The options of every command that needs a hub's configuration. */
export const HUB_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  config: CONFIG,
  listen: {
    value: 'HOST:PORT',
    short: 'l',
    doc: 'The address to listen on, instead of `listen` of the configuration.',
  },
  port: {
    value: 'PORT',
    short: 'p',
    doc: 'The port to listen on, at the configured address. Port 0 selects a free port.',
  },
  data: DATA,
  set: SET,
};

/** Those of a command that works on the data folder, and listens nowhere. */
export const DATA_FOLDER_OPTIONS: Readonly<Record<'config' | 'data' | 'set', OptionSpec>> = {
  config: CONFIG,
  data: DATA,
  set: SET,
};

/** The configuration from file, environment and flags; the later ones take precedence. */
export async function hubConfig(input: Input, preset: Tree = {}): Promise<LoadedConfig> {
  const { loadConfig } = await import('../config/load.ts');
  const { checkTlsFiles } = await import('../config/tls-files.ts');
  const flags = ['listen', 'data', 'processes'].flatMap((field) => {
    const value = input.text(field);
    return value === undefined ? [] : [`${field}=${value}`];
  });
  const contentProblems = async (config: Config): Promise<readonly ConfigProblem[]> => [
    ...(await problemsOf(() => checkTlsFiles(config.tls))),
    ...(await problemsOf(() => checkTokenKeys(config))),
    ...(await problemsOf(() => checkIngestKeys(config))),
  ];
  const loaded = await orAllProblems(contentProblems, () =>
    loadConfig({
      preset,
      file: input.text('config') ?? process.env['POLYCAST_CONFIG'],
      environment: process.env,
      settings: [...input.texts('set'), ...flags],
    }),
  );
  const problems = await contentProblems(loaded.config);
  if (problems.length > 0) throw new ConfigError(problems);
  return withPort(loaded, input);
}

/**
 * @throws ConfigError with the problems of `load`, and those that `furtherProblems` finds in the
 * rest of the configuration
 */
async function orAllProblems(
  furtherProblems: (config: Config) => Promise<readonly ConfigProblem[]>,
  load: () => LoadedConfig,
): Promise<LoadedConfig> {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof ConfigError) || error.rest === undefined) throw error;
    throw new ConfigError([...error.problems, ...(await furtherProblems(error.rest))], error);
  }
}

/** The problems that a check throws, so that one message names those of all checks. */
async function problemsOf(check: () => void | Promise<void>): Promise<readonly ConfigProblem[]> {
  try {
    await check();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** Applies `--port`, which keeps the configured host. */
function withPort(loaded: LoadedConfig, input: Input): LoadedConfig {
  const port = input.number('port', 0);
  if (port === undefined) return loaded;
  if (port > 65_535) throw new CliError('usage', `--port ${port}: must be at most 65535`);
  if (input.text('listen') !== undefined)
    throw new CliError('usage', '--port and --listen exclude each other', `Use --listen HOST:${port}`);
  const { host } = parseListen(loaded.config.listen) as ListenAddress;
  return {
    config: { ...loaded.config, listen: formatListen({ host, port }) },
    origins: new Map([...loaded.origins, ['listen', '--port']]),
  };
}

/**
 * Checks the keys that verify tokens.
 * @throws ConfigError for an unusable one
 */
async function checkTokenKeys({ identity }: Config): Promise<void> {
  if (identity.tokens.length === 0) return;
  const { configuredKeys } = await import('../identity/tokens/tokens.ts');
  checkKeys(identity.tokens, (issuer, index) => configuredKeys(issuer, `identity.tokens.${index}`, process.env));
}

/**
 * Checks the keys that verify third parties' webhooks.
 * @throws ConfigError for an unusable one
 */
async function checkIngestKeys({ ingest }: Config): Promise<void> {
  if (ingest.length === 0) return;
  const { readIngestSource } = await import('../ingest/ingest-sources.ts');
  checkKeys(ingest, (source, index) => readIngestSource(source, `ingest.${index}`, process.env));
}

/** @throws ConfigError with the problems of all entries */
function checkKeys<Entry>(entries: readonly Entry[], read: (entry: Entry, index: number) => unknown): void {
  const problems = entries.flatMap((entry, index) => {
    try {
      read(entry, index);
      return [];
    } catch (error) {
      if (error instanceof ConfiguredKeyError) return [{ path: error.path, message: error.message }];
      throw error;
    }
  });
  if (problems.length > 0) throw new ConfigError(problems);
}
