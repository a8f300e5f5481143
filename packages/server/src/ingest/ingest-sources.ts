import type { IngestSourceSettings } from '../core/ingest-settings.ts';
import { ConfiguredKeyError, readConfiguredKey } from '../identity/configured-key.ts';
import { PROVIDERS, type Provider } from './providers.ts';
import type { SignatureKey } from './signature.ts';

/** A configured source, with its keys. */
export interface IngestSource extends Pick<IngestSourceSettings, 'source' | 'channel' | 'toleranceSeconds'> {
  readonly provider: Provider;
  readonly keys: readonly SignatureKey[];
}

/** The sources, by the name in their path. */
export type IngestSources = ReadonlyMap<string, IngestSource>;

/** The variables of the environment, by name. */
type Environment = Readonly<Record<string, string | undefined>>;

/** A shorter secret could be guessed from a delivery that somebody has recorded. */
const SECRET_LENGTH_MIN = 16;

/**
 * Reads the keys of all sources.
 * @throws ConfiguredKeyError for the first key that cannot be used
 */
export function readIngestSources(settings: readonly IngestSourceSettings[], environment: Environment): IngestSources {
  return new Map(settings.map((each, index) => [each.source, readIngestSource(each, `ingest.${index}`, environment)]));
}

/**
 * @param place the path of the source in the configuration
 * @throws ConfiguredKeyError
 */
export function readIngestSource(
  { source, provider: name, channel, toleranceSeconds, keys }: IngestSourceSettings,
  place: string,
  environment: Environment,
): IngestSource {
  const provider = PROVIDERS[name];
  const readKeys = keys.map(({ secret, secretFile: file, secretEnvironment: variable }, index) => {
    const configured = { setting: 'secret', inline: secret, file, variable };
    const [setting, text] = readConfiguredKey(configured, `${place}.keys.${index}`, environment);
    return readKey(provider, text, `${place}.keys.${index}.${setting}`);
  });
  return { source, provider, channel, toleranceSeconds, keys: readKeys };
}

function readKey(provider: Provider, secret: string, path: string): SignatureKey {
  if (secret.length < SECRET_LENGTH_MIN)
    throw new ConfiguredKeyError(path, `must have at least ${SECRET_LENGTH_MIN} characters`);
  try {
    return provider.key(secret);
  } catch (error) {
    throw new ConfiguredKeyError(path, `cannot be used: ${(error as Error).message}`);
  }
}
