import type { Config } from './settings/config-schema.ts';

/** All problems of a configuration, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  /** The configuration without its invalid fields, for further checks, if there is one. */
  readonly rest: Config | undefined;
  /** Some checks need a configuration without these problems. */
  readonly isPartial: boolean;

  constructor(
    problems: readonly ConfigProblem[],
    { rest, isPartial = false }: Partial<Pick<ConfigError, 'rest' | 'isPartial'>> = {},
  ) {
    super(problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n'));
    this.problems = problems;
    this.rest = rest;
    this.isPartial = isPartial;
  }
}

export interface ConfigProblem {
  /** `limits.bodyBytesMax`, `rules.2.pattern`. Empty for the whole configuration. */
  readonly path: string;
  /** The problem and its correction. */
  readonly message: string;
}
