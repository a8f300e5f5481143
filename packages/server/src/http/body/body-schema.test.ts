import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseBody, refuse } from './body-schema.ts';

test('a refusal of the schema itself is shown, also where its member is absent', () => {
  const schema = z
    .strictObject({ after: z.string().exactOptional(), since: z.string().exactOptional() })
    .check((context) => {
      if (Object.keys(context.value).length !== 1) refuse(context, 'or "since" is required, and not both', ['after']);
    });
  expect(parseBody(schema, { since: 'now' })).toEqual({ since: 'now' });
  expect(() => parseBody(schema, {})).toThrow('"after" or "since" is required, and not both.');
  expect(() => parseBody(schema, { after: 'now', since: 'now' })).toThrow('"after" or "since" is required');
});
