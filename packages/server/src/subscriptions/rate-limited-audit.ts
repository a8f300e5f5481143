import type { Audit, AuditRecord, Clock } from '../core/ports.ts';
import { TokenBuckets } from '../core/primitives/token-buckets.ts';

/**
 * Entries per hour, and at once, for actions that anybody may do. The audit log has room for some
 * 10,000 entries, which are for operators.
 */
const PER_HOUR = 60;
const BURST = 30;

/**
 * Limits the audit entries of actions that anybody may do often, so that they do not displace other
 * entries. The next written entry has the number of omitted ones, `omitted`.
 */
export function rateLimitedAudit(audit: Audit, clock: Clock): Audit {
  const buckets = new TokenBuckets();
  let omitted = 0;
  return {
    record(note: AuditRecord) {
      if (buckets.take('anybody', PER_HOUR / 3600, BURST, clock.monotonicMs()) > 0) return void omitted++;
      audit.record(omitted === 0 ? note : { ...note, detail: { ...note.detail, omitted } });
      omitted = 0;
    },
  };
}
