/** All problems of a configuration, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n'));
    this.problems = problems;
  }
}

export interface ConfigProblem {
  /** `limits.bodyBytesMax`, `rules.2.pattern`. Empty for the whole configuration. */
  readonly path: string;
  /** The problem and its correction. */
  readonly message: string;
}
