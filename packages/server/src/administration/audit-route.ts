import * as z from 'zod';
import type { AuditEntry } from '../core/access/identity-store.ts';
import { json, response } from '../http/route-description.ts';
import { named, page, text, time } from '../http/openapi/schemas.ts';
import { beforeParameter, limitParameter, readQuery } from '../http/query-parameter.ts';
import type { Route } from '../auth/route.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import type { AdministrationParts } from './administration-parts.ts';

const LIMIT = limitParameter(1000, 100, 'The maximum number of entries.');
const PARAMETERS = [LIMIT, beforeParameter];

/**
 * `GET /v1/audit?limit=&before=` (PROTOCOL.md section 13.1): the audit log, the newest entries
 * first.
 */
export function auditRoute({ audit }: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/audit',
    requires: 'admin',
    description: () => ({
      operationId: 'readAudit',
      summary: 'Reads the audit log, newest first.',
      section: '13.1',
      parameters: PARAMETERS,
      responses: [
        response(
          200,
          'A page.',
          json(page('entries', entrySchema(), z.int()), '`next` is the `before` of the next page.'),
        ),
      ],
      errors: ['invalid_parameter'],
    }),
    handle(request) {
      const values = readQuery(request.query, PARAMETERS);
      const limit = LIMIT.read(values);
      const entries = audit.page(beforeParameter.read(values), limit + 1);
      const shown = entries.slice(0, limit);
      request.respondJson(200, {
        entries: shown.map(entryJson),
        next: entries.length > limit ? (shown.at(-1)?.id ?? null) : null,
      });
    },
  };
}

const entrySchema = named('AuditEntry', () =>
  z.object({
    id: z.int().meta({ examples: [42] }),
    time: time(),
    action: text({ examples: ['key.created'] }),
    subject: text({ examples: ['Ab3dEf6hIj9l'] }),
    by: z.record(z.string(), z.unknown()).meta({
      description: '`kind`, and `key` with `name`, or `user`; `address`.',
      examples: [{ kind: 'user', user: 'ann', address: '203.0.113.7' }],
    }),
    detail: z
      .record(z.string(), z.unknown())
      .meta({ examples: [{ name: 'shop backend', scopes: ['publish:orders.>'] }] }),
  }),
);

function entryJson({ id, timeMs, action, subject, by, detail }: AuditEntry): object {
  return { id, time: timestampOrNull(timeMs), action, subject, by, detail };
}
