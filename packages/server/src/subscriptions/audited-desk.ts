import type { Actor, Audit } from '../core/ports.ts';
import type { Subscription, SubscriptionDesk } from '../core/subscription/ports.ts';

/** A desk that writes down who does what to subscriptions: what they are, not what is delivered. */
export function auditedDesk(desk: SubscriptionDesk, audit: Audit): SubscriptionDesk {
  const note = (action: string, subject: string, by: Actor, detail?: Readonly<Record<string, unknown>>): void =>
    audit.note({ action: `subscription.${action}`, subject, by, ...(detail !== undefined && { detail }) });
  return {
    get: (id) => desk.get(id),
    list: (query) => desk.list(query),
    find: (dialect, url, channel) => desk.find(dialect, url, channel),
    replays: (id) => desk.replays(id),
    attempts: (id, query) => desk.attempts(id, query),
    deadLetters: (id, query) => desk.deadLetters(id, query),
    trace: (event) => desk.trace(event),
    whereabouts: (id, record) => desk.whereabouts(id, record),
    backlog: (id) => desk.backlog(id),
    pulls: desk.pulls,
    async test(id, sample, by) {
      const attempt = await desk.test(id, sample, by);
      const { channel, type } = sample;
      note('tested', id, by, { channel, ...(type !== undefined && { type }), outcome: attempt.outcome });
      return attempt;
    },
    async retryDeadLetters(id, event, by) {
      const retried = await desk.retryDeadLetters(id, event, by);
      note('dead-letters-retried', id, by, { retried, ...(event !== undefined && { position: event.position }) });
      return retried;
    },
    async create(wishes, by) {
      const created = await desk.create(wishes, by);
      if (created.isNew) note('created', created.subscription.definition.id, by, summaryOf(created.subscription));
      return created;
    },
    async change(id, changes, version, by) {
      const changed = await desk.change(id, changes, version, by);
      note('changed', id, by, { members: Object.keys(changes), version: changed.definition.version });
      return changed;
    },
    async pause(id, by) {
      const paused = await desk.pause(id, by);
      note('paused', id, by);
      return paused;
    },
    async resume(id, by) {
      const resumed = await desk.resume(id, by);
      const { state } = resumed.standing;
      // One that is pending has had its endpoint asked, whatever came of it.
      note('resumed', id, by, state === 'active' ? undefined : { state });
      return resumed;
    },
    async remove(id, by) {
      const subscription = desk.get(id);
      await desk.remove(id, by);
      note('removed', id, by, subscription === undefined ? undefined : summaryOf(subscription));
    },
    async rotateSecret(id, secret, overlapMs, by) {
      const rotated = await desk.rotateSecret(id, secret, overlapMs, by);
      note('secret-rotated', id, by, { overlapSeconds: overlapMs / 1000 });
      return rotated;
    },
    async replay(id, from, by) {
      const replay = await desk.replay(id, from, by);
      note('replayed', id, by, { after: replay.after, through: replay.through });
      return replay;
    },
    async discardDeadLetters(id, event, by) {
      const discarded = await desk.discardDeadLetters(id, event, by);
      note('dead-letters-discarded', id, by, { discarded });
      return discarded;
    },
  };
}

/** Without what a URL may hold beside its place, such as a token in its query. */
function summaryOf({ definition: { channels, delivery } }: Subscription): Readonly<Record<string, unknown>> {
  const to =
    delivery.kind === 'pull'
      ? {}
      : { endpoint: URL.parse(delivery.url)?.origin ?? '', dialect: delivery.dialect, format: delivery.format };
  return { channels, kind: delivery.kind, ...to };
}
