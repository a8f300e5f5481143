import type { Audit, AuditRecord, Clock } from '../core/ports.ts';
import { TokenBuckets } from '../core/primitives/token-buckets.ts';

/** Entries in an hour about what anybody may do, and how many at once: the audit log keeps some 10,000, and they are operators'. */
const PER_HOUR = 60;
const BURST = 30;

/**
 * An audit log for what anybody may do, and do often: so many entries an hour, so that they do not drive others out. What is left out is
 * counted in the next entry that is written, `omitted`.
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
