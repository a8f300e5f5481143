import { encodeCursor } from '@polycast/protocol';

import type { PullDelivery, WebhookDelivery } from '../../state/definition.ts';
import type { Dialects } from '../../state/dialect.ts';
import type { Attempt, Backlog, DeadLetter, Replay, Subscription } from '../../state/ports.ts';
import { entityTag, entityTagHeader } from '../../../http/headers/cache-headers.ts';
import { timestampOrNull } from '../../../http/timestamp-text.ts';
import { redactedHeaders } from './headers-body.ts';
import type { SubscriptionParts } from '../parts.ts';

/**
 * The JSON of a subscription (PROTOCOL.md section 14.1).
 * @param secret only for a new subscription or a new secret
 */
export function subscriptionJson(
  { subscriptions, log, dialects }: SubscriptionParts,
  { definition, status }: Subscription,
  secret?: string,
): object {
  const { id, channels, types, filter, delivery, ordering, ratePerSecond, concurrencyMax, owner } = definition;
  return {
    id,
    name: definition.name ?? null,
    state: status.state,
    reason: status.reason,
    since: timestampOrNull(status.sinceMs),
    channels,
    types: types ?? null,
    filter: filter ?? null,
    delivery: { ...deliveryJson(dialects, delivery), ...(secret !== undefined && { secret }) },
    ordering,
    ratePerSecond: ratePerSecond ?? null,
    concurrencyMax,
    description: definition.description,
    metadata: definition.metadata,
    expires: timestampOrNull(definition.endsMs),
    owner: definition.customer ?? null,
    createdBy: {
      ...(owner.key !== undefined && { key: owner.key }),
      ...(owner.user !== undefined && { user: owner.user }),
    },
    created: timestampOrNull(definition.createdMs),
    changed: timestampOrNull(definition.changedMs),
    cursor: encodeCursor(log.state.epoch, status.cursor),
    backlog: backlogJson(subscriptions.backlog(id)),
  };
}

function backlogJson({ nextAttemptMs, ...counts }: Backlog): object {
  return { ...counts, nextAttempt: timestampOrNull(nextAttemptMs) };
}

/**
 * The ETag covers the definition only: a change of state or progress keeps it (PROTOCOL.md section
 * 14.1).
 */
export function etagOf({ definition }: Subscription): string {
  return entityTag(String(definition.version), true);
}

/** The ETag as a response header. */
export function etagHeader(subscription: Subscription): readonly string[] {
  return entityTagHeader(etagOf(subscription));
}

function deliveryJson(dialects: Dialects, delivery: WebhookDelivery | PullDelivery): object {
  if (delivery.kind === 'pull')
    return { kind: 'pull', leaseSeconds: delivery.leaseMs / 1000, deliveriesMax: delivery.deliveriesMax };
  const { kind, url, dialect, format, headers, batch, timeoutMs, retryDelaysMs, secrets } = delivery;
  return {
    kind,
    url,
    dialect,
    format,
    headers: redactedHeaders(dialects, headers),
    batch: batch ?? null,
    timeoutMs,
    retryDelaysSeconds: retryDelaysMs.map((delayMs) => delayMs / 1000),
    secrets: secrets.map((secret) => dialects.get(dialect).describeSecret(secret)),
  };
}

/**
 * @param isCovered whether the caller may see the content; otherwise headers and response are
 * hidden
 */
export function attemptJson({ dialects }: SubscriptionParts, attempt: Attempt, isCovered: boolean): object {
  const { number, subscription, epoch, position, isGap, count, startedMs, outcome, detail, request, answer, timing } =
    attempt;
  return {
    number,
    subscription,
    event: position === 0 ? null : encodeCursor(epoch, position),
    gap: isGap,
    count,
    attempt: attempt.attempt,
    started: timestampOrNull(startedMs),
    outcome,
    detail,
    request: { ...request, headers: isCovered ? redactedHeaders(dialects, request.headers) : {} },
    response:
      answer === undefined || !isCovered
        ? null
        : { status: answer.status, headers: answer.headers, body: answer.body, cut: answer.isCut },
    timing: {
      nameMs: tenths(timing.nameMs),
      connectMs: tenths(timing.connectMs),
      tlsMs: tenths(timing.tlsMs),
      firstByteMs: tenths(timing.firstByteMs),
      totalMs: tenths(timing.totalMs),
    },
  };
}

export function deadLetterJson(deadLetter: DeadLetter): object {
  const { epoch, position, channel, attempts, sinceMs, outcome, detail } = deadLetter;
  return {
    event: encodeCursor(epoch, position),
    channel,
    attempts,
    since: timestampOrNull(sinceMs),
    outcome,
    detail,
  };
}

export function replayJson({ log }: SubscriptionParts, replay: Replay): object {
  const { epoch } = log.state;
  return {
    id: replay.id,
    after: encodeCursor(epoch, replay.after),
    through: encodeCursor(epoch, replay.through),
    reached: encodeCursor(epoch, replay.reached),
    channel: replay.channel ?? null,
    done: replay.isDone,
  };
}

/** Rounds a time to tenths of a millisecond. */
function tenths(timeMs: number | undefined): number | null {
  return timeMs === undefined ? null : Math.round(timeMs * 10) / 10;
}
