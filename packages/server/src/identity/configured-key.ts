import { readFileSync } from 'node:fs';

/**
 * A configured key is given in the configuration itself, in a file, or in an environment variable.
 * Example: `secret: …`, `secretFile: /run/secrets/key` or `secretEnvironment: KEY`.
 */
export interface ConfiguredKey<Inline> {
  /** The name of the setting: `secret` or `publicKey`. */
  readonly setting: string;
  readonly inline: Inline | undefined;
  readonly file: string | undefined;
  readonly variable: string | undefined;
}

/** A configured key cannot be used. `path` is its place in the configuration. */
export class ConfiguredKeyError extends Error {
  override readonly name = 'ConfiguredKeyError';
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/**
 * Returns the name of the setting that has the key, and the key.
 * @param place the path of the key's settings in the configuration
 * @throws ConfiguredKeyError
 */
export function readConfiguredKey<Inline>(
  { setting, inline, file = '', variable }: ConfiguredKey<Inline>,
  place: string,
  environment: Readonly<Record<string, string | undefined>>,
): readonly [name: string, material: string | Inline] {
  if (inline !== undefined) return [setting, inline];
  if (variable !== undefined) {
    const text = environment[variable];
    if (text !== undefined) return [`${setting}Environment`, text];
    throw new ConfiguredKeyError(`${place}.${setting}Environment`, `the variable ${variable} is not set`);
  }
  try {
    // Editors end files with a line break. It is not part of a secret.
    return [`${setting}File`, readFileSync(file, 'utf8').replace(/\r?\n$/, '')];
  } catch (error) {
    throw new ConfiguredKeyError(`${place}.${setting}File`, `cannot be read: ${(error as Error).message}`);
  }
}
