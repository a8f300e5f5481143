import type { Clock } from '../core/ports.ts';
import type { Actor, Audit, AuditRecord } from '../core/audit.ts';
import { InForceError } from './engine/durable-operations.ts';
import { TokenBuckets } from '../core/primitives/token-buckets.ts';
import type { Subscription, SubscriptionOperations, SubscriptionReads, SubscriptionService } from './state/ports.ts';

/** The subscriptions of a hub, for all callers from outside. */
export interface AuditedServices {
  readonly subscriptions: SubscriptionService;
  /** For requests that anybody may send: a rate limits their audit entries. */
  readonly openSubscriptions: SubscriptionService;
}

/**
 * The one place where operations on subscriptions get their audit entries. A change that the engine
 * makes by itself has none, such as a lower rate that an endpoint asked for. Lifecycle events do
 * not depend on the caller, so the engine publishes them.
 */
export function auditedServices(
  service: SubscriptionReads & SubscriptionOperations,
  audit: Audit,
  clock: Clock,
): AuditedServices {
  return {
    subscriptions: auditedService(service, audit),
    openSubscriptions: auditedService(service, rateLimitedAudit(audit, clock)),
  };
}

/**
 * A service that writes an audit entry for each operation that changes or sends something.
 * Reads and deliveries have no entries.
 */
function auditedService(service: SubscriptionReads & SubscriptionOperations, audit: Audit): SubscriptionService {
  const writeAudit = (action: string, subject: string, by: Actor, detail?: Readonly<Record<string, unknown>>): void =>
    audit.record({ action: `subscription.${action}`, subject, by, ...(detail !== undefined && { detail }) });
  return {
    get: (id) => service.get(id),
    list: (query) => service.list(query),
    find: (dialect, url, channel) => service.find(dialect, url, channel),
    replays: (id) => service.replays(id),
    attempts: (id, query) => service.attempts(id, query),
    deadLetters: (id, query) => service.deadLetters(id, query),
    trace: (event) => service.trace(event),
    deliveryStatus: (id, record) => service.deliveryStatus(id, record),
    backlog: (id) => service.backlog(id),
    whenDurable: () => service.whenDurable(),
    async test(id, sample, by) {
      const attempt = await service.test(id, sample);
      const { channel, type } = sample;
      writeAudit('tested', id, by, { channel, ...(type !== undefined && { type }), outcome: attempt.outcome });
      return attempt;
    },
    async retryDeadLetters(id, event, by) {
      const retried = await service.retryDeadLetters(id, event);
      writeAudit('dead-letters-retried', id, by, { retried, ...(event !== undefined && { position: event.position }) });
      return retried;
    },
    async create(options, by) {
      const created = await service.create(options);
      if (created.isNew) writeAudit('created', created.subscription.definition.id, by, summaryOf(created.subscription));
      return created;
    },
    async change(id, changes, version, by) {
      return whenInForce(service.change(id, changes, version), () =>
        writeAudit('changed', id, by, {
          members: Object.keys(changes),
          version: service.get(id)?.definition.version,
        }),
      );
    },
    async pause(id, by) {
      return whenInForce(service.pause(id), () => writeAudit('paused', id, by));
    },
    async resume(id, by) {
      return whenInForce(service.resume(id), () => {
        const state = service.get(id)?.status.state;
        // A resume of a pending subscription only verifies the endpoint,
        // so the entry has the state.
        writeAudit('resumed', id, by, state === 'active' ? undefined : { state });
      });
    },
    async remove(id, by) {
      const subscription = service.get(id);
      await whenInForce(service.remove(id), () =>
        writeAudit('removed', id, by, subscription === undefined ? undefined : summaryOf(subscription)),
      );
    },
    async rotateSecret(id, secret, overlapMs, by) {
      return whenInForce(service.rotateSecret(id, secret, overlapMs), () =>
        writeAudit('secret-rotated', id, by, { overlapSeconds: overlapMs / 1000 }),
      );
    },
    async replay(id, from, by) {
      const replay = await service.replay(id, from);
      writeAudit('replayed', id, by, { after: replay.after, through: replay.through });
      return replay;
    },
    async discardDeadLetters(id, event, by) {
      const discarded = await service.discardDeadLetters(id, event);
      writeAudit('dead-letters-discarded', id, by, { discarded });
      return discarded;
    },
  };
}

/**
 * Writes the entry of a change that is in force, also if the disk has refused the change so far.
 */
async function whenInForce<Result>(operation: Promise<Result>, writeEntry: () => void): Promise<Result> {
  try {
    const result = await operation;
    writeEntry();
    return result;
  } catch (error) {
    if (error instanceof InForceError) writeEntry();
    throw error;
  }
}

/** Only the origin of the URL: its path and query may hold a secret, such as a token. */
function summaryOf({ definition: { channels, delivery } }: Subscription): Readonly<Record<string, unknown>> {
  const to =
    delivery.kind === 'pull'
      ? {}
      : { endpoint: URL.parse(delivery.url)?.origin ?? '', dialect: delivery.dialect, format: delivery.format };
  return { channels, kind: delivery.kind, ...to };
}

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
