import * as z from 'zod';
import { documented, type FieldDoc } from '../settings/field.ts';
import { configSchema } from './settings/config-schema.ts';

/** A field of the reference. */
export interface FieldReference extends FieldDoc {
  /** `limits.bodyBytesMax` */
  readonly path: string;
  /** The variable that sets it: `POLYCAST_LIMITS_BODY_BYTES_MAX`. */
  readonly environment: string;
  readonly default: unknown;
  readonly schema: z.core.$ZodType;
}

/** Every field, in the order of the reference. */
export const FIELDS: readonly FieldReference[] = collect(configSchema.shape, '');

/** The paths of all fields and sections. The settings of a rule are under `defaults`. */
export const KNOWN_PATHS: readonly string[] = [
  ...FIELDS.map(({ path }) => path),
  ...new Set(
    FIELDS.flatMap(({ path }) => {
      const keys = path.split('.').slice(0, -1);
      return keys.map((_, depth) => keys.slice(0, depth + 1).join('.'));
    }),
  ),
];

/** `delivery.heartbeatMs` -> `POLYCAST_DELIVERY_HEARTBEAT_MS` */
function environmentName(path: string): string {
  const words = path.replaceAll('.', '_').replaceAll(/([a-z])([A-Z])/g, '$1_$2');
  return `POLYCAST_${words.toUpperCase()}`;
}

function collect(shape: Readonly<Record<string, z.core.$ZodType>>, prefix: string): FieldReference[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const path = prefix + name;
    const doc = documented.get(schema);
    if (doc !== undefined) {
      const defaultValue = (): unknown => z.parse(schema, undefined, { jitless: true });
      const environment = environmentName(path);
      // Only the reference needs the defaults, and each start makes this list.
      return [
        {
          ...doc,
          path,
          environment,
          schema,
          get default() {
            return defaultValue();
          },
        },
      ];
    }
    if (schema instanceof z.ZodPrefault) return collect((schema.unwrap() as z.ZodObject).shape, `${path}.`);
    throw new Error(`the field ${path} has no documentation`);
  });
}
