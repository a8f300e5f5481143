import * as z from 'zod';
import { documented, type FieldDoc } from './field.ts';
import { configSchema } from './table.ts';

/** A field as the reference shows it. */
export interface FieldReference extends FieldDoc {
  /** `limits.bodyBytesMax` */
  readonly path: string;
  /** The variable that sets it: `POLYCAST_LIMITS_BODY_BYTES_MAX`. */
  readonly environment: string;
  readonly default: unknown;
}

/** Every field, in the order of the reference. */
export function fieldReferences(): readonly FieldReference[] {
  return collect(configSchema.shape, '');
}

/** The paths of all fields and sections; the settings of a rule stand under `rules`. */
export function knownPaths(): readonly string[] {
  const fields = fieldReferences().map(({ path }) => path);
  const sections = new Set(fields.filter((path) => path.includes('.')).map((path) => path.slice(0, path.indexOf('.'))));
  return [...fields, ...sections];
}

/** `delivery.heartbeatMs` -> `POLYCAST_DELIVERY_HEARTBEAT_MS` */
export function environmentName(path: string): string {
  return `POLYCAST_${path
    .replaceAll('.', '_')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toUpperCase()}`;
}

function collect(shape: Readonly<Record<string, z.core.$ZodType>>, prefix: string): FieldReference[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const path = prefix + name;
    const doc = documented.get(schema);
    if (doc !== undefined)
      return [{ ...doc, path, environment: environmentName(path), default: z.parse(schema, undefined) }];
    if (schema instanceof z.ZodPrefault) return collect((schema.unwrap() as z.ZodObject).shape, `${path}.`);
    throw new Error(`the field ${path} has no documentation`);
  });
}
