import { readFileSync } from 'node:fs';
import * as yaml from 'yaml';
import { ConfigError } from './parse.ts';
import { isTree, type Tree } from './tree.ts';

/** The contents of a configuration file. */
export interface YamlFile {
  readonly content: Tree;
  /** The line, from 1, of the value at a dotted path. */
  lineOf(path: string): number | undefined;
}

/** @throws ConfigError when the file cannot be read, is not YAML, or has no fields */
export function readYamlFile(file: string): YamlFile {
  const lineCounter = new yaml.LineCounter();
  const document = yaml.parseDocument(readText(file), { lineCounter, prettyErrors: false });
  const problems = document.errors.map(({ pos, message }) => ({
    path: '',
    message: `${file}:${lineCounter.linePos(pos[0]).line}: ${message}`,
  }));
  if (problems.length > 0) throw new ConfigError(problems);
  const content: unknown = document.toJS() ?? {};
  if (!isTree(content)) {
    throw new ConfigError([{ path: '', message: `${file} must contain fields such as "listen: 127.0.0.1:7400"` }]);
  }
  return {
    content,
    lineOf(path) {
      const keys = path.split('.').map((key) => (/^\d+$/.test(key) ? Number(key) : key));
      const node = document.getIn(keys, true);
      return yaml.isNode(node) && node.range ? lineCounter.linePos(node.range[0]).line : undefined;
    },
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError([{ path: '', message: `the configuration file cannot be read: ${message}` }]);
  }
}
