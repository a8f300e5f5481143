import type * as z from 'zod';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { checkConsistency } from './consistency.ts';
import { closestMatch } from '../core/primitives/closest-match.ts';
import { formatListen, parseListen, type ListenAddress } from './listen.ts';
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
  if (!parsed.success) throw invalidForm(input, parsed.error.issues);
  const problems = checkConsistency(parsed.data);
  if (problems.length > 0) throw new ConfigError(problems, { rest: parsed.data });
  return parsed.data;
}

/**
 * The error for fields of the wrong form, with the problems that the rest of the configuration has.
 * Without a field of the wrong form, another one may seem wrong. So fields are compared with each
 * other only if unknown fields are the only problem.
 */
function invalidForm(input: unknown, issues: readonly z.core.$ZodIssue[]): ConfigError {
  const problems = issues.flatMap((issue) => problemsOf(issue, input));
  const rest = configSchema.safeParse(withoutIssues(input, issues), { jitless: true });
  if (!rest.success) return new ConfigError(problems, { isPartial: true });
  const isComparable = issues.every(({ code }) => code === 'unrecognized_keys');
  if (isComparable) problems.push(...checkConsistency(rest.data));
  return new ConfigError(problems, { rest: rest.data, isPartial: !isComparable });
}

/** A copy without the fields that the issues name. Members of lists stay, so that paths do too. */
function withoutIssues(input: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const copy = structuredClone(input);
  for (const issue of issues) {
    const fields =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [[...issue.path]];
    for (const field of fields) removeField(copy, field);
  }
  return copy;
}

function removeField(tree: unknown, field: readonly PropertyKey[]): void {
  let parent = tree;
  for (const key of field.slice(0, -1)) parent = (parent as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key];
  const last = field.at(-1);
  if (last === undefined || typeof parent !== 'object' || parent === null || Array.isArray(parent)) return;
  Reflect.deleteProperty(parent, last);
}

function problemsOf(issue: z.core.$ZodIssue, input: unknown): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: unknownKey(path, key, input) }));
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

/** The address to listen on, from the `port` and the `host` that other servers have. */
function listenFor(key: string, { port, host }: Readonly<Record<string, unknown>>): string | undefined {
  if (key !== 'port' && key !== 'host') return undefined;
  const { host: defaultHost, port: defaultPort } = parseListen(defaultConfig().listen) as ListenAddress;
  const wantedHost = typeof host === 'string' ? host : defaultHost;
  const wantedPort = /^\d{1,5}$/.test(String(port)) ? Number(port) : defaultPort;
  return formatListen({ host: wantedHost, port: wantedPort });
}

function unknownKey(path: readonly string[], key: string, input: unknown): string {
  const listen = path.length === 0 ? listenFor(key, input as Readonly<Record<string, unknown>>) : undefined;
  if (listen !== undefined) return `is not a known field; did you mean \`listen: ${listen}\`?`;
  const inRule = path[0] === 'rules';
  const suggestion = inRule ? closestMatch(key, RULE_KEYS) : closestMatch([...path, key].join('.'), KNOWN_PATHS);
  return suggestion === undefined
    ? 'is not a known field; `polycast config reference` lists all fields'
    : `is not a known field; did you mean \`${suggestion}\`?`;
}
