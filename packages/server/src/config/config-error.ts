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
