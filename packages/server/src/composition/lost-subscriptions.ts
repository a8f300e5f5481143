import type { SubscriptionService } from '../subscriptions/state/ports.ts';
import type { AuditEntry } from '../core/access/identity-store.ts';
import type { AuditLog } from '../identity/audit.ts';

export interface LostSubscriptionsDependencies {
  readonly data: string;
  readonly audit: Pick<AuditLog, 'page'>;
  readonly subscriptions: Pick<SubscriptionService, 'get'>;
  readonly logger: { error(fields: object, message: string): void };
}

/** Entries of the audit log in one read. */
const PAGE_COUNT = 500;
/** Subscriptions in one log line. */
const NAMED_MAX = 100;

/**
 * Reports the subscriptions that have lost their newest acknowledged changes. The audit log is in
 * another file and records which subscriptions were created, changed, paused and removed. A change
 * that it has not recorded, or has removed, cannot be reported.
 */
export function reportLostSubscriptions({
  data,
  audit,
  subscriptions: service,
  logger,
}: LostSubscriptionsDependencies): void {
  logger.error(
    { data },
    'subscriptions: the newest acknowledged changes are missing from subscriptions.sqlite; deliveries continue from older cursors, so events may be delivered twice',
  );
  const seen = new Set<string>();
  const missing: string[] = [];
  const reappeared: string[] = [];
  const outdated: string[] = [];
  for (let before = Infinity; ;) {
    const entries = audit.page(before, PAGE_COUNT);
    for (const entry of entries) {
      const { action, subject } = entry;
      if (!action.startsWith('subscription.')) continue;
      const current = service.get(subject);
      const isNewest = !seen.has(subject);
      seen.add(subject);
      if (isNewest && action === 'subscription.removed') {
        if (current !== undefined) reappeared.push(subject);
      } else if (current === undefined) {
        if (isNewest) missing.push(subject);
      } else if (isNewerThan(entry, current, isNewest) && !reappeared.includes(subject) && !outdated.includes(subject))
        outdated.push(subject);
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < PAGE_COUNT) break;
    before = last.id;
  }
  const report = (subscriptions: readonly string[], message: string): void => {
    if (subscriptions.length === 0) return;
    logger.error({ count: subscriptions.length, subscriptions: subscriptions.slice(0, NAMED_MAX) }, message);
  };
  report(missing, 'subscriptions: missing after a crash, create them again');
  report(reappeared, 'subscriptions: deleted ones are active again, delete them again');
  report(outdated, 'subscriptions: last change lost, change them again');
}

/** Whether an entry records a change that a subscription does not have. */
function isNewerThan(
  { action, detail }: AuditEntry,
  { definition, status }: NonNullable<ReturnType<SubscriptionService['get']>>,
  isNewest: boolean,
): boolean {
  if (action === 'subscription.changed') return Number(detail['version']) > definition.version;
  return isNewest && action === 'subscription.paused' && status.state === 'active';
}
