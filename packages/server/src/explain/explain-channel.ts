import { closestMatch } from '../core/primitives/closest-match.ts';
import { readsChannel } from '../sessions/live-sessions.ts';
import { eventSteps, retentionConclusion } from './event-steps.ts';
import type { ExplainParts } from './explain-parts.ts';
import type { Conclusion, Explanation, ExplainedEvent, Step } from './explanation.ts';
import { countText } from './moment-text.ts';
import { channelReaders, silentSteps, type ChannelReaders } from './other-hubs.ts';

/** Subscriptions that are counted. */
const SUBSCRIPTIONS_MAX = 10_000;

/** Explains whether an event went to a channel, and who reads that channel now. */
export async function explainChannel(
  parts: ExplainParts,
  event: ExplainedEvent,
  channel: string,
): Promise<Explanation> {
  const found = await eventSteps(parts, event);
  if (found.conclusion !== undefined) return { event, steps: found.steps, conclusion: found.conclusion };
  if (event.record === undefined) return { event, steps: found.steps, conclusion: retentionConclusion(found) };
  const published = event.record.channel;
  const { silent, ...readers } = await channelReaders(parts, channel, event);
  const steps = [...found.steps, readersStep(parts, channel, readers), ...silentSteps(silent)];
  const isIt = published === channel;
  const conclusion: Conclusion = isIt
    ? {
        outcome: 'delivered',
        reason: 'published',
        sentence: `The event was published to ${channel} and is in its history.`,
      }
    : {
        outcome: 'missed',
        reason: 'other_channel',
        sentence: `The event was published to ${published}, not to ${channel}${closestMatch(channel, [published]) === undefined ? '' : ', which has a similar name'}.`,
      };
  return { event, steps, conclusion };
}

function readersStep(parts: ExplainParts, channel: string, { sessions, behind }: ChannelReaders): Step {
  const subscriptions = parts.subscriptions.list({
    after: '',
    limit: SUBSCRIPTIONS_MAX,
    predicate: ({ definition }) => readsChannel(definition.channels, channel),
  }).length;
  return {
    step: 'channel',
    verdict: 'passed',
    text: `${channel} is read by ${countText(sessions, 'live session')} (${behind} behind the event) and ${countText(subscriptions, 'subscription')}.`,
    link: `/v1/sessions?channel=${channel}`,
    detail: { sessions, behind, subscriptions },
  };
}
