import { integerParameter, invalidParameter, singleParameters } from '../http/query.ts';
import type { AuditEntry } from '../core/access/identity-store.ts';
import type { Route } from '../auth/route.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;

/**
 * `GET /v1/audit?limit=&before=` (PROTOCOL.md section 13.1): the audit log, the newest entries
 * first.
 */
export function auditRoute(administration: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/audit',
    requires: 'admin',
    handle(request) {
      const values = singleParameters(request.query, ['limit', 'before']);
      const limit = integerParameter(values, 'limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
      const entries = administration.audit.page(before(values.get('before')), limit + 1);
      const page = entries.slice(0, limit);
      request.respondJson(200, {
        entries: page.map(entryJson),
        next: entries.length > limit ? (page.at(-1)?.id ?? null) : null,
      });
    },
  };
}

function before(text: string | undefined): number {
  if (text === undefined) return Number.MAX_SAFE_INTEGER;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalidParameter('before', 'must be the `next` of a page');
}

function entryJson({ id, timeMs, action, subject, by, detail }: AuditEntry): object {
  return { id, time: timestampOrNull(timeMs), action, subject, by, detail };
}
