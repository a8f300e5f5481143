import { compileFilter } from '../subscriptions/state/filter.ts';
import { attemptsBegun, attemptTotals } from '../subscriptions/state/attempt-count.ts';
import { noSuchSubscription } from '../subscriptions/state/refusals.ts';
import type { SubscriptionDefinition } from '../subscriptions/state/definition.ts';
import { closestMatch } from '../core/primitives/closest-match.ts';
import type { StoredRecord } from '../core/ports.ts';
import { eventSteps, retentionConclusion } from './event-steps.ts';
import type { ExplainParts } from './explain-parts.ts';
import type { Conclusion, Explanation, ExplainedEvent, Findings, Step } from './explanation.ts';
import { momentText } from './moment-text.ts';
import { coveringPattern } from './session-evaluation.ts';
import { deliveryFacts, deliverySteps, type DeliveryFacts } from './subscription-steps.ts';

/**
 * Explains an event to a subscription.
 * @throws PolycastError `not_found`
 */
export async function explainSubscription(
  parts: ExplainParts,
  event: ExplainedEvent,
  id: string,
): Promise<Explanation> {
  const subscription = parts.subscriptions.get(id);
  if (subscription === undefined) throw noSuchSubscription();
  const found = await eventSteps(parts, event);
  const matched = event.record === undefined ? undefined : matchFindings(subscription.definition, event.record);
  const facts = await deliveryFacts(parts, subscription, event);
  const steps = [...found.steps, ...(matched?.steps ?? []), ...deliverySteps(parts, facts)];
  const nowMs = parts.auth.clock.nowMs();
  // Attempts and dead letters outlive their event.
  const conclusion =
    settled(facts, nowMs) ??
    found.conclusion ??
    matched?.conclusion ??
    (event.record === undefined ? retentionConclusion(found) : undecided(facts, event.record, nowMs));
  return { event, steps, conclusion };
}

/** By which pattern, type and filter the event matches, or does not. */
function matchFindings({ id, channels, types, filter }: SubscriptionDefinition, record: StoredRecord): Findings {
  const { channel, type } = record;
  const pattern = coveringPattern(channels, channel);
  if (pattern === undefined) {
    const closest = closestMatch(channel, channels);
    const read = closest ?? channels.slice(0, 3).join(', ');
    return noMatch('other_channel', `The event was published to ${channel}; the subscription ${id} reads ${read}.`);
  }
  if (types !== undefined && (type === undefined || !types.includes(type)))
    return noMatch(
      'filtered_by_type',
      `The subscription ${id} reads only events of the types ${types.join(', ')}; the event has ${type === undefined ? 'no type' : `the type ${type}`}.`,
    );
  if (filter !== undefined && !compileFilter(filter)(parseBody(record)))
    return noMatch(
      'filtered_by_content',
      `The event's content does not pass the filter of the subscription ${id}: ${JSON.stringify(filter)}.`,
    );
  const text = `It matches ${pattern}${types === undefined ? '' : ', by its type'}${filter === undefined ? '' : ', and passes the filter'}.`;
  return { steps: [{ step: 'matched', verdict: 'passed', text, detail: { pattern } }], conclusion: undefined };
}

function noMatch(reason: 'other_channel' | 'filtered_by_type' | 'filtered_by_content', sentence: string): Findings {
  const step: Step = { step: 'matched', verdict: 'stopped', reason, text: sentence };
  return { steps: [step], conclusion: { outcome: 'missed', reason, sentence } };
}

function parseBody({ body }: StoredRecord): unknown {
  try {
    return JSON.parse(`{${new TextDecoder().decode(body)}`) as unknown;
  } catch {
    return undefined;
  }
}

/** The conclusion from an attempt that succeeded, or a dead letter. */
function settled({ subscription, attempts, deadLetter, status }: DeliveryFacts, nowMs: number): Conclusion | undefined {
  const { id } = subscription.definition;
  const succeededAt = attempts.findLastIndex(({ outcome }) => outcome === 'delivered');
  const success = attempts[succeededAt];
  const isPending = status !== undefined && status.state !== 'done';
  if (success !== undefined && !isPending)
    return {
      outcome: 'delivered',
      reason: 'delivered',
      sentence: `The endpoint of ${id} accepted the event at ${momentText(success.startedMs, nowMs)}, at attempt ${attemptTotals(attempts)[succeededAt]}.`,
    };
  if (deadLetter === undefined) return undefined;
  const { detail, outcome, sinceMs, attempts: count } = deadLetter;
  return {
    outcome: 'missed',
    reason: 'dead_letter',
    sentence: `The event is a dead letter of ${id} since ${momentText(sinceMs, nowMs)}, after ${count} attempts (${detail === '' ? outcome : detail}); it can be retried from there.`,
  };
}

/** The conclusion from the state of the subscription and of the delivery. */
function undecided(facts: DeliveryFacts, record: StoredRecord, nowMs: number): Conclusion {
  const { subscription, status, attempts } = facts;
  const { definition, status: current } = subscription;
  const { id, createdMs } = definition;
  const isPull = definition.delivery.kind === 'pull';
  if (status === undefined || status.state === 'done') {
    if (createdMs > record.timeMs && attempts.length === 0)
      return {
        outcome: 'missed',
        reason: 'before_start',
        sentence: `The subscription ${id} was created at ${momentText(createdMs, nowMs)}, after the event, and began behind it.`,
      };
    return isPull
      ? { outcome: 'delivered', reason: 'acknowledged', sentence: `A worker of ${id} has acknowledged the event.` }
      : {
          outcome: 'delivered',
          reason: 'delivered',
          sentence: `The event is done for ${id}: it was delivered, and its attempts are no longer stored.`,
        };
  }
  const kept = 'It is delivered when the subscription is active again.';
  const since = momentText(current.sinceMs, nowMs);
  switch (current.state) {
    case 'ended':
      return {
        outcome: 'missed',
        reason: 'ended',
        sentence: `The subscription ${id} ended at ${since} (${current.reason}) before it delivered the event.`,
      };
    case 'paused':
      return {
        outcome: 'pending',
        reason: 'paused',
        sentence: `The subscription ${id} is paused since ${since}. ${kept}`,
      };
    case 'suspended':
      return {
        outcome: 'pending',
        reason: 'suspended',
        sentence: `The subscription ${id} is suspended since ${since}, because its endpoint failed for too long. ${kept}`,
      };
    case 'pending':
      return {
        outcome: 'pending',
        reason: 'unverified',
        sentence: `The endpoint of ${id} is not verified yet. ${kept}`,
      };
    case 'active':
      return waiting(facts, nowMs);
  }
}

function waiting({ subscription, status, attempts }: DeliveryFacts, nowMs: number): Conclusion {
  const { id, delivery } = subscription.definition;
  if (status === undefined || status.state === 'done') throw new TypeError('the event is done');
  const { state, dueMs } = status;
  const tries = attemptsBegun(status.tries, state === 'in_flight', attempts);
  const due = dueMs === undefined ? '' : ` ${momentText(dueMs, nowMs)}`;
  if (delivery.kind === 'pull' && state === 'in_flight')
    return {
      outcome: 'pending',
      reason: 'leased',
      sentence: `A worker of ${id} has leased the event${due === '' ? '' : ` until${due}`} and has not acknowledged it.`,
    };
  if (state === 'in_flight')
    return {
      outcome: 'pending',
      reason: 'in_flight',
      sentence: `The event is on its way to the endpoint of ${id}: attempt ${tries} has no outcome yet.`,
    };
  const last = attempts.at(-1);
  if (tries > 0 || last !== undefined) {
    const failure =
      last === undefined ? '' : ` (${last.outcome}${last.answer === undefined ? '' : ` ${last.answer.status}`})`;
    return {
      outcome: 'pending',
      reason: 'retrying',
      sentence: `${tries} ${tries === 1 ? 'attempt' : 'attempts'} of ${id} failed${failure}; the next one is${due === '' ? ' due now' : ` at${due}`}.`,
    };
  }
  return {
    outcome: 'pending',
    reason: 'waiting',
    sentence: `The event waits in the queue of ${id}, behind earlier events or for a worker.`,
  };
}
