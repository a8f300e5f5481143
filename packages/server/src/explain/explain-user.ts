import { explain, userPrincipal } from '../core/access/explain-access.ts';
import type { Principal } from '../core/access/principal.ts';
import { concludeUser } from './conclude-user.ts';
import { eventSteps, retentionConclusion } from './event-steps.ts';
import type { ExplainParts } from './explain-parts.ts';
import type { Conclusion, Explanation, ExplainedEvent, Step } from './explanation.ts';
import { momentText } from './moment-text.ts';
import { knownSessions, silentSteps } from './other-hubs.ts';
import { evaluateSession, type SessionFacts } from './session-evaluation.ts';
import { sessionStep } from './session-steps.ts';

/** Explains an event to a user: why `ann` got it, or did not. */
export async function explainUser(
  parts: ExplainParts,
  event: ExplainedEvent,
  user: string,
  claims: Readonly<Record<string, unknown>>,
): Promise<Explanation> {
  const found = await eventSteps(parts, event);
  if (found.conclusion !== undefined) return { event, steps: found.steps, conclusion: found.conclusion };
  const { channel } = event;
  const known = await knownSessions(parts, user, event);
  // A live session shows the user's present claims.
  const principal = known.principal ?? userPrincipal(user, claims);
  const allowed = channel === undefined ? undefined : await allowedStep(parts, principal, user, channel, event);
  const sessions = known.sessions.map((session) => ({
    session,
    verdict: evaluateSession(session, event, parts.feed.head),
  }));
  const steps = [
    ...found.steps,
    ...(allowed === undefined ? [] : [allowed]),
    ...sessions.map((each) => sessionStep(parts, event, each)),
    ...silentSteps(known.silent),
  ];
  const context = {
    parts,
    event,
    user,
    nowMs: parts.auth.clock.nowMs(),
    isAllowed: allowed?.verdict !== 'stopped',
    recording: known.recording,
    silent: known.silent,
  };
  const conclusion = concludeUser(context, sessions);
  const away = awayStep(conclusion);
  const isGone = event.record === undefined && !SURE.has(conclusion.reason) && conclusion.outcome !== 'delivered';
  return {
    event,
    steps: away === undefined ? steps : [...steps, away],
    conclusion: isGone ? retentionConclusion(found) : conclusion,
  };
}

/** Explains an event to one session. */
export async function explainSession(
  parts: ExplainParts,
  event: ExplainedEvent,
  session: SessionFacts,
): Promise<Explanation> {
  const found = await eventSteps(parts, event);
  if (found.conclusion !== undefined) return { event, steps: found.steps, conclusion: found.conclusion };
  const evaluated = { session, verdict: evaluateSession(session, event, parts.feed.head) };
  const nowMs = parts.auth.clock.nowMs();
  const user = session.user ?? 'the client';
  const recording = { isEnabled: parts.journal !== undefined, sinceMs: parts.journal?.sinceMs };
  const conclusion = concludeUser({ parts, event, user, nowMs, isAllowed: true, recording, silent: [] }, [evaluated]);
  const isGone = event.record === undefined && conclusion.outcome !== 'delivered' && conclusion.reason !== 'retention';
  return {
    event,
    steps: [...found.steps, sessionStep(parts, event, evaluated)],
    conclusion: isGone ? retentionConclusion(found) : conclusion,
  };
}

/** Reasons that hold for an event that is gone, too. */
const SURE: ReadonlySet<string> = new Set(['retention', 'hub_silent']);

/** Whether the rules let the user read the channel now. */
async function allowedStep(
  parts: ExplainParts,
  principal: Principal,
  user: string,
  channel: string,
  event: ExplainedEvent,
): Promise<Step> {
  const { access, auth, rulesLoaded } = parts;
  const link = `/v1/access/explain?user=${encodeURIComponent(user)}&subscribe=${channel}`;
  if (access === undefined)
    return { step: 'allowed', verdict: 'passed', text: 'There is no access control: everyone may read.' };
  const explained = explain(access, principal, 'subscribe', channel);
  const isAllowed = explained.allowed ?? (await auth.authority.decide(principal, 'subscribe', channel)).allowed;
  const { timeMs, byReload } = rulesLoaded();
  const nowMs = auth.clock.nowMs();
  const isNewer = event.timeMs !== undefined && timeMs > event.timeMs && byReload;
  const since = isNewer ? ` The rules were reloaded at ${momentText(timeMs, nowMs)}, after the event.` : '';
  const needs = explained.needs === undefined ? '' : `; it needs ${explained.needs}`;
  return {
    step: 'allowed',
    verdict: isAllowed ? 'passed' : 'stopped',
    ...(!isAllowed && { reason: 'not_allowed' }),
    timeMs,
    text: `${user} ${isAllowed ? 'may' : 'may not'} read ${channel}, by ${explained.by}${isAllowed ? '' : needs}.${since}`,
    link,
    detail: { by: explained.by, ...(explained.needs !== undefined && { needs: explained.needs }) },
  };
}

function awayStep({ reason, outcome, sentence }: Conclusion): Step | undefined {
  if (reason !== 'user_away' && reason !== 'stalled') return undefined;
  return { step: 'away', verdict: outcome === 'pending' ? 'pending' : 'stopped', reason, text: sentence };
}
