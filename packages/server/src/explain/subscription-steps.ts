import { encodeCursor } from '@polycast/protocol';
import type { Attempt, DeadLetter, DeliveryStatus, Replay, Subscription } from '../subscriptions/state/ports.ts';
import type { ExplainParts } from './explain-parts.ts';
import type { ExplainedEvent, Step } from './explanation.ts';
import { attemptTotals } from '../subscriptions/state/attempt-count.ts';
import { momentText } from './moment-text.ts';

/** What the hub knows of one event and one subscription. */
export interface DeliveryFacts {
  readonly subscription: Subscription;
  /** `undefined`: the subscription does not match the event, or the event is gone. */
  readonly status: DeliveryStatus | undefined;
  /** The oldest first. */
  readonly attempts: readonly Attempt[];
  readonly deadLetter: DeadLetter | undefined;
  readonly replays: readonly Replay[];
}

const ATTEMPTS_MAX = 100;

export async function deliveryFacts(
  { subscriptions }: ExplainParts,
  subscription: Subscription,
  { epoch, position, record }: ExplainedEvent,
): Promise<DeliveryFacts> {
  const { id } = subscription.definition;
  const event = { epoch, position };
  const attempts = await subscriptions.attempts(id, { before: Number.MAX_SAFE_INTEGER, limit: ATTEMPTS_MAX, event });
  const [letter] = await subscriptions.deadLetters(id, { after: { epoch, position: position - 1 }, limit: 1 });
  return {
    subscription,
    status: record === undefined ? undefined : subscriptions.deliveryStatus(id, record),
    attempts: attempts.toReversed(),
    deadLetter: letter?.epoch === epoch && letter.position === position ? letter : undefined,
    replays: subscriptions.replays(id).filter(({ after, through }) => position > after && position <= through),
  };
}

/** The steps of an event's delivery, in the order in which they happened. */
export function deliverySteps(parts: ExplainParts, facts: DeliveryFacts): readonly Step[] {
  return [
    stateStep(parts, facts),
    ...attemptSteps(parts, facts),
    ...leaseSteps(parts, facts),
    ...deadLetterSteps(parts, facts),
    ...facts.replays.map((replay) => replayStep(parts, facts, replay)),
  ];
}

function stateStep({ auth, feed }: ExplainParts, { subscription }: DeliveryFacts): Step {
  const { definition, status } = subscription;
  const { id, delivery } = definition;
  const nowMs = auth.clock.nowMs();
  const goal = delivery.kind === 'webhook' ? `webhook to ${delivery.url}` : 'pull';
  return {
    step: 'subscription',
    verdict: status.state === 'active' ? 'passed' : status.state === 'ended' ? 'stopped' : 'pending',
    ...(status.state !== 'active' && { reason: status.state }),
    timeMs: status.sinceMs,
    text: `Subscription ${id} (${goal}) is ${status.state} since ${momentText(status.sinceMs, nowMs)} (${status.reason}).`,
    link: `/v1/subscriptions/${id}`,
    detail: { state: status.state, reason: status.reason, cursor: encodeCursor(feed.epoch, status.cursor) },
  };
}

function attemptSteps(parts: ExplainParts, facts: DeliveryFacts): readonly Step[] {
  const totals = attemptTotals(facts.attempts);
  return facts.attempts.map((attempt, index) => attemptStep(parts, facts, attempt, totals[index] as number));
}

/** @param total the number of the attempt among all of the event */
function attemptStep({ auth }: ExplainParts, { subscription }: DeliveryFacts, attempt: Attempt, total: number): Step {
  const { outcome, answer, startedMs, detail } = attempt;
  const { id } = subscription.definition;
  const status = answer === undefined ? '' : ` with the status ${answer.status}`;
  return {
    step: 'attempt',
    verdict: outcome === 'delivered' ? 'passed' : 'stopped',
    reason: outcome,
    timeMs: startedMs,
    text: `Attempt ${total} at ${momentText(startedMs, auth.clock.nowMs())}: ${outcome}${status}${detail === '' ? '' : ` (${detail})`}.`,
    link: `/v1/subscriptions/${id}/attempts?event=${encodeCursor(attempt.epoch, attempt.position)}`,
    detail: {
      attempt: attempt.attempt,
      outcome,
      ...(answer !== undefined && { status: answer.status }),
      durationMs: attempt.timing.totalMs,
    },
  };
}

/** A pull has no attempts: the lease of the moment is all that is stored. */
function leaseSteps({ auth }: ExplainParts, { subscription, status }: DeliveryFacts): readonly Step[] {
  if (subscription.definition.delivery.kind !== 'pull' || status === undefined || status.state === 'done') return [];
  const { tries, leasedMs, dueMs } = status;
  if (tries === 0) return [];
  const nowMs = auth.clock.nowMs();
  const isLeased = status.state === 'in_flight';
  const from = leasedMs === undefined ? '' : ` from ${momentText(leasedMs, nowMs)}`;
  const until = dueMs === undefined ? '' : ` until ${momentText(dueMs, nowMs)}`;
  return [
    {
      step: 'lease',
      verdict: 'pending',
      reason: isLeased ? 'leased' : 'retrying',
      timeMs: leasedMs,
      text: isLeased
        ? `A worker has it${from}${until}, for the ${tries}. time.`
        : `It was leased ${tries} times and not acknowledged; it is handed out again${dueMs === undefined ? '' : ` from ${momentText(dueMs, nowMs)} on`}.`,
      detail: { tries },
    },
  ];
}

function deadLetterSteps({ auth }: ExplainParts, { deadLetter, subscription }: DeliveryFacts): readonly Step[] {
  if (deadLetter === undefined) return [];
  const { attempts, sinceMs, outcome, detail } = deadLetter;
  return [
    {
      step: 'dead_letter',
      verdict: 'stopped',
      reason: outcome,
      timeMs: sinceMs,
      text: `A dead letter since ${momentText(sinceMs, auth.clock.nowMs())}, after ${attempts} attempts: ${detail === '' ? outcome : detail}.`,
      link: `/v1/subscriptions/${subscription.definition.id}/dead-letters`,
      detail: { attempts, outcome },
    },
  ];
}

function replayStep({ feed }: ExplainParts, { subscription }: DeliveryFacts, replay: Replay): Step {
  const { id, isDone, reached } = replay;
  return {
    step: 'replay',
    verdict: isDone ? 'passed' : 'pending',
    text: `Replay ${id} includes the event and ${isDone ? 'is done' : `has reached ${encodeCursor(feed.epoch, reached)}`}.`,
    link: `/v1/subscriptions/${subscription.definition.id}/replays`,
  };
}
