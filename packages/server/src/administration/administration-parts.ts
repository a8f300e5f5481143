import type { AccessPolicy } from '../core/access/access-policy.ts';
import type { AuditLog } from '../identity/audit.ts';
import type { ApiKeys } from '../identity/api-keys.ts';
import type { RevocationList } from '../identity/revocation-list.ts';
import type { Services } from '../http/services.ts';

/** The dependencies of the administration routes. */
export interface AdministrationParts {
  readonly services: Services;
  readonly keys: ApiKeys;
  readonly revocations: RevocationList;
  readonly audit: AuditLog;
  /** `undefined` without access control. */
  readonly access: AccessPolicy | undefined;
}
