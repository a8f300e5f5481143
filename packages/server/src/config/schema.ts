import type * as z from 'zod';
import type { Config } from './config.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { checkTogether } from './consistency.ts';
import { nearest } from './nearest.ts';
import { FIELDS, KNOWN_PATHS } from './reference.ts';
import { RULE_KEYS } from './rules-table.ts';
import { configSchema } from './table.ts';

export type * from './config.ts';
export { ConfigError, type ConfigProblem } from './config-error.ts';

/** A configuration with every field at its default. */
export function defaultConfig(): Config {
  return parseConfig({});
}

/**
 * Checks a configuration as it comes from YAML or JSON and fills in the defaults.
 * @throws ConfigError with every problem found; an unknown key names the nearest known one
 */
export function parseConfig(value: unknown): Config {
  const input = value ?? {};
  const parsed = configSchema.safeParse(input);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap((issue) => problemsOf(issue, input)));
  const problems = checkTogether(parsed.data);
  if (problems.length > 0) throw new ConfigError(problems);
  return parsed.data;
}

function problemsOf(issue: z.core.$ZodIssue, input: unknown): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: unknownKey(path, key) }));
  }
  return [{ path: path.join('.'), message: issue.code === 'custom' ? issue.message : wrongForm(path, issue, input) }];
}

/** Says what was found and what the field takes; a setting of a rule is of the form of that in `defaults`. */
function wrongForm(path: readonly string[], issue: z.core.$ZodIssue, input: unknown): string {
  const name = path[0] === 'rules' && path.length === 3 ? `defaults.${path[2]}` : path.join('.');
  const form = FIELDS.find((each) => each.path === name)?.form;
  let value: unknown = input;
  for (const key of path) value = (value as Readonly<Record<string, unknown>>)[key];
  if (form === undefined) return issue.message;
  return SECRET.test(name) ? `must be ${form}` : `must be ${form}; it is ${JSON.stringify(value)}`;
}

/** What is not to be repeated. */
const SECRET = /\.secret$|^identity\.tokens/;

function unknownKey(path: readonly string[], key: string): string {
  const inRule = path[0] === 'rules';
  const suggestion = inRule ? nearest(key, RULE_KEYS) : nearest([...path, key].join('.'), KNOWN_PATHS);
  return suggestion === undefined
    ? 'is not a known field; `polycast config reference` lists them all'
    : `is not a known field; did you mean \`${suggestion}\`?`;
}
