import type * as z from 'zod';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { checkConsistency } from './consistency.ts';
import { closestMatch } from '../core/primitives/closest-match.ts';
import { FIELDS, KNOWN_PATHS } from './reference.ts';
import { RULE_KEYS } from './settings/rules.ts';
import { configSchema, type Config } from './settings/config-schema.ts';

export type { Config } from './settings/config-schema.ts';
export { ConfigError, type ConfigProblem } from './config-error.ts';

/** A configuration with every field at its default. */
export function defaultConfig(): Config {
  return parseConfig({});
}

/**
 * Checks a configuration from YAML or JSON and adds the defaults.
 * @throws ConfigError with every problem. For an unknown key, the problem names the nearest known
 * one
 */
export function parseConfig(value: unknown): Config {
  const input = value ?? {};
  // A configuration is parsed once, so code that is compiled for it would not pay.
  const parsed = configSchema.safeParse(input, { jitless: true });
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap((issue) => problemsOf(issue, input)));
  const problems = checkConsistency(parsed.data);
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

/**
 * The message with the found value and the form of the field. A setting of a rule has the form of
 * the same setting in `defaults`.
 */
function wrongForm(path: readonly string[], issue: z.core.$ZodIssue, input: unknown): string {
  const name = path[0] === 'rules' && path.length === 3 ? `defaults.${path[2]}` : path.join('.');
  const form = FIELDS.find((each) => each.path === name)?.form;
  let value: unknown = input;
  for (const key of path) value = (value as Readonly<Record<string, unknown>>)[key];
  if (form === undefined) return wrongType(issue, SECRET.test(name) ? undefined : value, value === undefined);
  return SECRET.test(name) ? `must be ${form}` : `must be ${form}; it is ${JSON.stringify(value)}`;
}

/**
 * The message for a member of a list, such as the `pattern` of a rule, which has no form of its
 * own.
 * @param shown the value, if it may be shown
 */
function wrongType(issue: z.core.$ZodIssue, shown: unknown, isMissing: boolean): string {
  if (issue.code !== 'invalid_type') return issue.message;
  const wanted = TYPE_NAMES[issue.expected] ?? issue.expected;
  if (isMissing) return `is missing: it must be ${wanted}`;
  return `must be ${wanted}${shown === undefined ? '' : `; it is ${JSON.stringify(shown)}`}`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of fields',
  record: 'a group of fields',
};

/** Fields with secret values, which messages must not show. */
const SECRET = /\.secret$|^identity\.tokens|^ingest/;

function unknownKey(path: readonly string[], key: string): string {
  const inRule = path[0] === 'rules';
  const suggestion = inRule ? closestMatch(key, RULE_KEYS) : closestMatch([...path, key].join('.'), KNOWN_PATHS);
  return suggestion === undefined
    ? 'is not a known field; `polycast config reference` lists all fields'
    : `is not a known field; did you mean \`${suggestion}\`?`;
}
