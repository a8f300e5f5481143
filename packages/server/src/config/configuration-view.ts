import { FIELDS } from './reference.ts';
import { withoutSecrets } from './annotated.ts';
import type { Config } from './settings/config-schema.ts';

/** A field with its value in force. */
export interface ShownField {
  readonly path: string;
  /** Secrets are `(not shown)`. */
  readonly value: unknown;
  readonly default: unknown;
  /** Where the value was set: `polycast.yaml`, `POLYCAST_LISTEN`. `null`: nowhere. */
  readonly origin: string | null;
  readonly environment: string;
  readonly form: string;
  readonly doc: string;
  readonly why: string;
  /** Whether a reload applies a new value. */
  readonly live: boolean;
}

/** All fields of a configuration, in the order of the reference. */
export function configurationView(config: Config, origins: ReadonlyMap<string, string>): readonly ShownField[] {
  const shown = withoutSecrets(config);
  return FIELDS.map(({ path, environment, form, doc, why, live = false, default: byDefault }) => ({
    path,
    value: valueAt(shown, path),
    default: byDefault ?? null,
    origin: originOf(path, origins),
    environment,
    form,
    doc,
    why,
    live: live !== false,
  }));
}

/** A field may be set as a whole, or by its members. */
function originOf(path: string, origins: ReadonlyMap<string, string>): string | null {
  const whole = origins.get(path);
  if (whole !== undefined) return whole;
  for (const [set, origin] of origins) if (set.startsWith(`${path}.`)) return origin;
  return null;
}

function valueAt(shown: unknown, path: string): unknown {
  let value = shown;
  for (const key of path.split('.'))
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return value ?? null;
}
