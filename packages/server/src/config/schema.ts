import type * as z from 'zod';
import type { Config } from './config.ts';
import { checkTogether } from './consistency.ts';
import { nearest } from './nearest.ts';
import { knownPaths } from './reference.ts';
import { configSchema, RULE_KEYS } from './table.ts';

export type * from './config.ts';

/** What is wrong with a configuration: every problem, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n'));
    this.problems = problems;
  }
}

export interface ConfigProblem {
  /** `limits.bodyBytesMax`, `rules.2.pattern`; empty for the whole. */
  readonly path: string;
  /** What is wrong and what would be right. */
  readonly message: string;
}

/** A configuration with every field at its default. */
export function defaultConfig(): Config {
  return parseConfig({});
}

/**
 * Checks a configuration as it comes from YAML or JSON and fills in the defaults.
 * @throws ConfigError with every problem found; an unknown key names the nearest known one
 */
export function parseConfig(value: unknown): Config {
  const parsed = configSchema.safeParse(value ?? {});
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap(problemsOf));
  const problems = checkTogether(parsed.data);
  if (problems.length > 0) throw new ConfigError(problems);
  return parsed.data;
}

function problemsOf(issue: z.core.$ZodIssue): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code !== 'unrecognized_keys') return [{ path: path.join('.'), message: issue.message }];
  return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: unknownKey(path, key) }));
}

function unknownKey(path: readonly string[], key: string): string {
  const inRule = path[0] === 'rules';
  const suggestion = inRule ? nearest(key, RULE_KEYS) : nearest([...path, key].join('.'), knownPaths());
  return suggestion === undefined
    ? 'is not a known field; `polycast config reference` lists them all'
    : `is not a known field; did you mean \`${suggestion}\`?`;
}
