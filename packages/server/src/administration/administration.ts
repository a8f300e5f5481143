import type { Access } from '../core/access.ts';
import type { AuditLog } from '../identity/audit.ts';
import type { KeyRing } from '../identity/keys.ts';
import type { RevocationBook } from '../identity/revocations.ts';
import type { Services } from '../transports/services.ts';

/** What the operators' addresses work with. */
export interface Administration {
  readonly services: Services;
  readonly keys: KeyRing;
  readonly revocations: RevocationBook;
  readonly audit: AuditLog;
  /** `undefined` where there is no access control. */
  readonly access: Access | undefined;
}
