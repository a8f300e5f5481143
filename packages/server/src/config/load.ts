import * as yaml from 'yaml';
import * as z from 'zod';
import { closestMatch } from '../core/primitives/closest-match.ts';
import { FIELDS } from './reference.ts';
import { ConfigError, parseConfig, type Config, type ConfigProblem } from './parse.ts';
import { STANDARD_VARIABLES } from './standard-variables.ts';
import { leafPaths, mergeTrees, setPath, type Tree } from './tree.ts';
import { readYamlFile, type YamlFile } from './yaml-file.ts';

/** The sources of a hub's settings. A later source in this list overrides an earlier one. */
export interface ConfigSources {
  /** Presets of a command, in the form of a file: `{ lab: { enabled: true } }`. */
  readonly preset?: Tree;
  /** The path of a YAML file. */
  readonly file?: string | undefined;
  /** `POLYCAST_*` variables, and those of `standard-variables.ts`; others are ignored. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** `path=value` from flags. The value has the form of YAML. */
  readonly settings?: readonly string[];
}

export interface LoadedConfig {
  readonly config: Config;
  /**
   * The origin of each field that was set, by its path: `polycast.yaml`, `POLYCAST_LISTEN`, `--set
   * listen`.
   */
  readonly origins: ReadonlyMap<string, string>;
}

/** Variables of the CLI itself, and those that Kubernetes sets for a service named polycast. */
const OTHER_VARIABLES = /^POLYCAST_(?:CONFIG|URL|KEY|PROCESS)$|^POLYCAST_(?:SERVICE_|PORT(?:_|$))/;

const PATHS = new Map(FIELDS.map(({ path, environment }) => [environment, path]));
const SCHEMAS = new Map(FIELDS.map(({ path, schema }) => [path, schema]));

/**
 * Loads a configuration from its sources and checks it.
 * @throws ConfigError with every problem, each with its origin
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const layers = new Layers();
  layers.addStandardVariables(sources.environment ?? {});
  if (sources.preset !== undefined) mergeTrees(layers.tree, sources.preset);
  if (sources.file !== undefined) layers.addFile(sources.file);
  layers.addEnvironment(sources.environment ?? {});
  for (const setting of sources.settings ?? []) layers.addSetting(setting);
  return { config: layers.parse(), origins: layers.origins };
}

/** The fields set so far, their origins and their problems. */
class Layers {
  readonly tree: Tree = {};
  readonly origins = new Map<string, string>();
  readonly #problems: ConfigProblem[] = [];
  #file: { readonly name: string; readonly yaml: YamlFile } | undefined;

  /** The lowest layer: these variables often apply to all programs of a machine. */
  addStandardVariables(environment: Readonly<Record<string, string | undefined>>): void {
    for (const { name, path, value } of STANDARD_VARIABLES) {
      const text = environment[name];
      const setting = text === undefined || text === '' ? undefined : value(text);
      if (setting === undefined) continue;
      setPath(this.tree, path, setting);
      this.origins.set(path, name);
    }
  }

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
    const message = `--set ${setting}: must be path=value, such as delivery.heartbeatMs=10000`;
    this.#problems.push({ path: '', message });
  }

  parse(): Config {
    let rest: Config | undefined;
    let isPartial = false;
    try {
      const config = parseConfig(this.tree);
      if (this.#problems.length === 0) return config;
      rest = config;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#problems.push(...error.problems.map((problem) => this.#withPlace(problem)));
      ({ rest, isPartial } = error);
    }
    throw new ConfigError(this.#problems, { rest, isPartial });
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

/**
 * The value for a text. A text that is valid for the field stays a text; any other is parsed as
 * YAML. A list may have the form `a,b`.
 */
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
