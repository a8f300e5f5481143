import { isPattern, TYPE_LENGTH_MAX } from '@polycast/protocol';
import * as z from 'zod';
import { compileSchema } from '../event-schema.ts';
import { field } from '../../settings/field.ts';

const SAMPLE_LENGTH_MAX = 64 * 1024;

/** JSON of any type. */
const json: z.ZodType<unknown> = z.json();

const eventType = z
  .strictObject({
    name: z.string().min(1).max(TYPE_LENGTH_MAX),
    description: z.string().max(2000).default(''),
    channels: z.array(z.string().refine(isPattern, 'must be a channel or a pattern')).min(1).max(20).default(['>']),
    schema: z.union([z.boolean(), z.record(z.string(), json)]).optional(),
    sample: json.optional(),
  })
  .superRefine(checkSchema);

/**
 * Finds an invalid schema, or a sample that does not fit it, at the start of the hub instead of at
 * the first event.
 */
function checkSchema({ schema, sample }: z.infer<typeof eventType>, context: z.RefinementCtx): void {
  const addIssue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
  if (sample !== undefined && JSON.stringify(sample).length > SAMPLE_LENGTH_MAX)
    return addIssue('sample', `must have at most ${SAMPLE_LENGTH_MAX} characters as JSON`);
  if (schema === undefined) return;
  try {
    const violation = sample === undefined ? undefined : compileSchema(schema)(sample)?.message;
    if (sample === undefined) compileSchema(schema);
    if (violation !== undefined) addIssue('sample', `does not fit its schema: ${violation}`);
  } catch (error) {
    addIssue('schema', `is not a usable JSON Schema: ${(error as Error).message}`);
  }
}

/** The catalogue of event types (PROTOCOL.md section 14.9). */
export const eventTypes = field(
  z
    .array(eventType)
    .max(1000)
    .refine(
      (list) => new Set(list.map(({ name }) => name)).size === list.length,
      'must not contain two event types with the same name',
    )
    .default([]),
  {
    form: 'list of at most 1,000 event types `{name, description, channels, schema, sample}`',
    doc: 'The catalogue of event types, shown by `GET /v1/event-types` and offered to REST Hooks. `name` is the `type` of the events. `channels` (`[">"]`): the channels they are published to. `schema`: the JSON Schema of their data, 2020-12 or draft-07, at most 64 KiB, without external references. A rule with `eventTypeCheck` enforces it. `sample`: sample data for tests and REST Hooks.',
    why: 'A catalogue tells webhook subscribers what to expect. Without one, the hub accepts events of any type.',
  },
);
