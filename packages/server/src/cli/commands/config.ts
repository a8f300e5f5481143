import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ConfigProblem } from '../../config/config-error.ts';
import { JSON_DOCUMENT, JSON_LINES, type Command, type Input } from '../command.ts';
import { HUB_OPTIONS, hubConfig } from '../hub-config.ts';

export const configCheck: Command = {
  name: 'config check',
  summary: 'Checks a configuration and lists every problem.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'It also reads the files that the configuration names: certificates must match their keys, and keys for tokens must be usable. Warnings name rules that never apply. They do not change the exit code.',
  options: { ...HUB_OPTIONS, json: JSON_DOCUMENT },
  examples: [{ command: 'polycast config check --config polycast.yaml', description: 'before a restart' }],
  async run(input, { out, notice, noticeStyle, style }) {
    const asJson = input.flag('json');
    const found = await check(input, asJson);
    const { FIELDS } = await import('../../config/reference.ts');
    if (asJson) out(JSON.stringify({ ...found, fields: FIELDS.length }));
    else {
      for (const { path, message } of found.warnings)
        notice(`${noticeStyle('yellow', 'warning:')} ${path}: ${message}`);
      out(
        `${style('green', 'valid')}: ${found.fieldsSet} of ${FIELDS.length} fields set, the others have their defaults`,
      );
    }
    return found.valid ? 'done' : 'configuration';
  },
};

interface CheckResult {
  readonly valid: boolean;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
  readonly fieldsSet: number;
}

/** @throws ConfigError for an invalid configuration, unless problems are part of the result */
async function check(input: Input, withProblems: boolean): Promise<CheckResult> {
  const { ConfigError } = await import('../../config/config-error.ts');
  const { dataFolderOf } = await import('../../storage/data-setting.ts');
  const { ruleWarnings } = await import('../../config/rule-warnings.ts');
  try {
    const { config, origins } = await hubConfig(input);
    const problems = dataProblems(dataFolderOf(config.data));
    if (problems.length > 0) throw new ConfigError(problems);
    return { valid: true, problems: [], warnings: ruleWarnings(config), fieldsSet: origins.size };
  } catch (error) {
    if (!withProblems || !(error instanceof ConfigError)) throw error;
    return { valid: false, problems: error.problems, warnings: [], fieldsSet: 0 };
  }
}

/** The hub creates its data folder, but not in the place of a file. */
function dataProblems(folder: string | undefined): readonly ConfigProblem[] {
  if (folder === undefined || !existsSync(folder) || statSync(folder).isDirectory()) return [];
  return [{ path: 'data', message: `${resolve(folder)} is a file, and must be a folder` }];
}

export const configPrint: Command = {
  name: 'config print',
  summary: 'Prints the effective configuration, and where each field was set.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  options: { ...HUB_OPTIONS, json: JSON_DOCUMENT },
  examples: [{ command: 'POLYCAST_DRAIN_TIME_MS=0 polycast config print', description: 'including the environment' }],
  async run(input, { out }) {
    const { config, origins } = await hubConfig(input);
    const { configWithOrigins, withoutSecrets } = await import('../../config/annotated.ts');
    if (input.flag('json'))
      out(JSON.stringify({ config: withoutSecrets(config), origins: Object.fromEntries(origins) }));
    else out(configWithOrigins(config, origins).trimEnd());
    return 'done';
  },
};

export const configReference: Command = {
  name: 'config reference',
  summary: 'Prints every field with its default and description, as a file to start from.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  options: { json: JSON_LINES },
  examples: [{ command: 'polycast config reference > polycast.yaml', description: 'a file to edit' }],
  async run(input, { out }) {
    const { annotatedConfig } = await import('../../config/annotated.ts');
    const { FIELDS } = await import('../../config/reference.ts');
    if (input.flag('json'))
      for (const { path, environment, default: value, doc, why } of FIELDS)
        out(JSON.stringify({ path, environment, default: value, doc, why }));
    else out(annotatedConfig().trimEnd());
    return 'done';
  },
};
