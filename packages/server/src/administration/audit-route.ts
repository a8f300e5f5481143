import * as z from 'zod';
import type { AuditEntry } from '../core/access/identity-store.ts';
import { json, response } from '../http/route-description.ts';
import { named, page, text, time } from '../http/openapi/schemas.ts';
import { beforeParameter, limitParameter, readQuery, textParameter } from '../http/query-parameter.ts';
import type { Route } from '../auth/route.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import type { AdministrationParts } from './administration-parts.ts';

const LIMIT = limitParameter(1000, 100, 'The maximum number of entries.');
const CONTAINS = textParameter(
  'contains',
  z.string(),
  'Only entries with this text, in any case: in the action, the subject, the caller or the detail.',
);
const PARAMETERS = [LIMIT, beforeParameter, CONTAINS];
/** Entries that one search examines. */
const SEARCHED_MAX = 5000;
const PAGE_COUNT = 500;

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
      details:
        'A search examines at most 5,000 entries. A page may then have fewer entries than requested, or none, and still a next page.',
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
    async handle(request) {
      const values = readQuery(request.query, PARAMETERS);
      const limit = LIMIT.read(values);
      const before = beforeParameter.read(values);
      const { entries, next } = await search(audit, before, limit, CONTAINS.read(values) ?? '');
      request.respondJson(200, { entries: entries.map(entryJson), next });
    },
  };
}

/** The newest entries before an id that contain a text. */
async function search(
  audit: AdministrationParts['audit'],
  before: number,
  limit: number,
  contains: string,
): Promise<{ readonly entries: readonly AuditEntry[]; readonly next: number | null }> {
  const text = contains.toLowerCase();
  const entries: AuditEntry[] = [];
  let last = before;
  for (let searched = 0; searched < SEARCHED_MAX; searched += PAGE_COUNT) {
    const page = await audit.pageOfAll(last, text === '' ? limit + 1 : PAGE_COUNT);
    for (const entry of page) {
      if (entries.length === limit) return { entries, next: last };
      last = entry.id;
      if (text === '' || textOf(entry).includes(text)) entries.push(entry);
    }
    if (page.length < PAGE_COUNT) return { entries, next: null };
  }
  return { entries, next: last };
}

function textOf({ action, subject, by, detail }: AuditEntry): string {
  return [action, subject, JSON.stringify(by), JSON.stringify(detail)].join('\n').toLowerCase();
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
