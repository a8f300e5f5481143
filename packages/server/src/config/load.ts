import * as yaml from 'yaml';
import * as z from 'zod';
import { closestMatch } from '../core/primitives/closest-match.ts';
import { FIELDS } from './reference.ts';
import { ConfigError, parseConfig, type Config, type ConfigProblem } from './parse.ts';
import { leafPaths, mergeTrees, setPath, type Tree } from './tree.ts';
import { readYamlFile, type YamlFile } from './yaml-file.ts';

/** Where the settings of a hub come from; what is later in this list goes before what is earlier. */
export interface ConfigSources {
  /** What a command presets, as in a file: `{ lab: { enabled: true } }`. */
  readonly preset?: Tree;
  /** The path of a YAML file. */
  readonly file?: string | undefined;
  /** `POLYCAST_*` variables; others are passed over. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** `path=value`, the value as in YAML; from flags. */
  readonly settings?: readonly string[];
}

export interface LoadedConfig {
  readonly config: Config;
  /** Which fields were set, by their paths, and where: `polycast.yaml`, `POLYCAST_LISTEN`, `--set listen`. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Of the CLI itself, and those that Kubernetes sets for a service that is named polycast. */
const OTHER_VARIABLES = /^POLYCAST_(?:CONFIG|URL|KEY)$|^POLYCAST_(?:SERVICE_|PORT(?:_|$))/;

const PATHS = new Map(FIELDS.map(({ path, environment }) => [environment, path]));
const SCHEMAS = new Map(FIELDS.map(({ path, schema }) => [path, schema]));

/**
 * Puts a configuration together and checks it.
 * @throws ConfigError with every problem, each with the place where it was set
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const layers = new Layers();
  if (sources.preset !== undefined) mergeTrees(layers.tree, sources.preset);
  if (sources.file !== undefined) layers.addFile(sources.file);
  layers.addEnvironment(sources.environment ?? {});
  for (const setting of sources.settings ?? []) layers.addSetting(setting);
  return { config: layers.parse(), origins: layers.origins };
}

/** What was set so far, where, and what was wrong with it. */
class Layers {
  readonly tree: Tree = {};
  readonly origins = new Map<string, string>();
  readonly #problems: ConfigProblem[] = [];
  #file: { readonly name: string; readonly yaml: YamlFile } | undefined;

  addFile(name: string): void {
    this.#file = { name, yaml: readYamlFile(name) };
    mergeTrees(this.tree, this.#file.yaml.content);
    for (const path of leafPaths(this.#file.yaml.content)) this.origins.set(path, name);
  }

  addEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
    for (const [name, text] of Object.entries(environment)) {
      if (text === undefined || !name.startsWith('POLYCAST_') || OTHER_VARIABLES.test(name)) continue;
      const path = PATHS.get(name);
      if (path === undefined) this.#problems.push({ path: name, message: unknownVariable(name) });
      else this.#set(path, text, name);
    }
  }

  addSetting(setting: string): void {
    const [path = '', ...value] = setting.split('=');
    if (path !== '' && value.length > 0) return this.#set(path, value.join('='), `--set ${path}`);
    const message = `--set ${setting}: write it as path=value, such as delivery.heartbeatMs=10000`;
    this.#problems.push({ path: '', message });
  }

  parse(): Config {
    try {
      const config = parseConfig(this.tree);
      if (this.#problems.length === 0) return config;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#problems.push(...error.problems.map((problem) => this.#withPlace(problem)));
    }
    throw new ConfigError(this.#problems);
  }

  #set(path: string, text: string, origin: string): void {
    setPath(this.tree, path, valueOf(path, text));
    this.origins.set(path, origin);
  }

  #withPlace({ path, message }: ConfigProblem): ConfigProblem {
    const set = [...this.origins].find(([field]) => path === field || path.startsWith(`${field}.`))?.[1];
    const line = set === undefined || set === this.#file?.name ? this.#file?.yaml.lineOf(path) : undefined;
    const place = line === undefined ? set : `${this.#file?.name}:${line}`;
    return { path, message: place === undefined ? message : `${message} (${place})` };
  }
}

function unknownVariable(name: string): string {
  const suggestion = closestMatch(name, [...PATHS.keys()]);
  return suggestion === undefined ? 'sets no known field' : `sets no known field; did you mean ${suggestion}?`;
}

/** A text that the field takes as it is stays one; any other is read as YAML. A list may be given with commas. */
function valueOf(path: string, text: string): unknown {
  const schema = SCHEMAS.get(path);
  if (schema === undefined) return parseYaml(text);
  if (text !== 'null' && z.safeParse(schema, text).success) return text;
  const value = parseYaml(text);
  const isList = z.safeParse(schema, []).success;
  return isList && typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value;
}

function parseYaml(text: string): unknown {
  try {
    return yaml.parse(text) as unknown;
  } catch {
    return text;
  }
}
