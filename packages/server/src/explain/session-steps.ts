import { encodeCursor } from '@polycast/protocol';
import type { EndReason } from '../core/session-journal/session-record.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import type { ExplainParts } from './explain-parts.ts';
import type { ExplainedEvent, Step, Verdict } from './explanation.ts';
import { momentText } from './moment-text.ts';
import type { SessionFacts, SessionVerdict } from './session-evaluation.ts';

/** A session, and what became of the event on it. */
export interface EvaluatedSession {
  readonly session: SessionFacts;
  readonly verdict: SessionVerdict;
}

/** The reasons of an end, in a sentence. */
export const END_TEXTS: Readonly<Record<EndReason, string>> = {
  client: 'closed by the client',
  network: 'network error',
  stalled: 'it took no bytes for too long',
  drain: 'the hub moved its clients',
  hub: 'the hub ended without a farewell',
  ended: 'ended by an operator',
  token_expired: 'its token expired',
  unauthorized: 'its credentials were revoked',
  forbidden: 'it lost its permission',
  identity_unavailable: 'its credentials could not be checked',
  failed: 'the log could not be read',
  protocol: 'invalid messages',
  idle: 'it stopped to ask',
  refused: 'refused',
};

const VERDICTS: Readonly<Record<SessionVerdict['kind'], Verdict>> = {
  written: 'passed',
  behind: 'pending',
  unwritten: 'stopped',
  unknown: 'unknown',
  skipped: 'stopped',
  gap: 'stopped',
  began_later: 'stopped',
  before: 'stopped',
  refused: 'stopped',
  other_epoch: 'stopped',
  other_channel: 'stopped',
  filtered_by_type: 'stopped',
  own_event: 'stopped',
};

export function sessionStep(parts: ExplainParts, event: ExplainedEvent, { session, verdict }: EvaluatedSession): Step {
  const nowMs = parts.auth.clock.nowMs();
  const { id, hub, transport, openedMs, endedMs, reason } = session;
  const life = `opened at ${momentText(openedMs, nowMs)}${endedMs === undefined ? ', live' : `, ended at ${momentText(endedMs, nowMs)} (${END_TEXTS[reason ?? 'network']})`}`;
  return {
    step: 'session',
    verdict: VERDICTS[verdict.kind],
    reason: verdict.kind,
    timeMs: endedMs ?? openedMs,
    text: `Session ${id} (${transport ?? 'no transport'}), ${life}: ${verdictText(session, verdict, event, nowMs)}.`,
    link: `/v1/sessions/${id}`,
    detail: {
      session: id,
      ...(hub !== undefined && { hub }),
      transport: transport ?? null,
      opened: timestampOrNull(openedMs),
      openedCursor: cursorOrNull(session.epoch, session.openedAt),
      cursor: cursorOrNull(session.epoch, session.position),
      ended: timestampOrNull(endedMs),
      reason: reason ?? null,
      ...(session.polls > 0 && { polls: session.polls }),
      ...(verdict.kind === 'written' && { written: writtenDetail(session, event) }),
      ...('pattern' in verdict && { pattern: verdict.pattern }),
    },
  };
}

function writtenDetail(session: SessionFacts, event: ExplainedEvent): object {
  const { afterMs, beforeMs } = writtenBetween(session, event);
  return { after: timestampOrNull(afterMs), before: timestampOrNull(beforeMs) };
}

/**
 * The event was written after the first of these times and before the second one, if that is known.
 */
export function writtenBetween(
  { openedMs, endedMs }: SessionFacts,
  { timeMs }: ExplainedEvent,
): { readonly afterMs: number; readonly beforeMs: number | undefined } {
  return { afterMs: Math.max(openedMs, timeMs ?? openedMs), beforeMs: endedMs };
}

function verdictText(session: SessionFacts, verdict: SessionVerdict, event: ExplainedEvent, nowMs: number): string {
  switch (verdict.kind) {
    case 'written':
      return `the event was handed to the network after ${momentText(writtenBetween(session, event).afterMs, nowMs)} (matched ${verdict.pattern})`;
    case 'behind':
      return `it is ${verdict.positions} positions behind the log and has not reached the event`;
    case 'unwritten':
      return 'it ended before the event was written';
    case 'unknown':
      return 'the hub did not record how far it was';
    case 'skipped':
      return 'the client asked from a later position than its last answer had reached, and so passed over the event';
    case 'gap':
      return 'retention had removed the event before, and the client received a gap';
    case 'began_later':
      return 'it began to read behind the event';
    case 'before':
      return 'it ended before the event';
    case 'refused':
      return `the hub refused to let it read ${session.channels[0]?.channels.join(', ') ?? 'the channel'}`;
    case 'other_epoch':
      return 'it read another log';
    case 'other_channel':
      return `it did not read ${event.channel ?? 'the channel'}${verdict.closest === undefined ? '' : `, but ${verdict.closest}`}`;
    case 'filtered_by_type':
      return `it reads only events of the types ${session.types?.join(', ') ?? ''}`;
    case 'own_event':
      return 'it leaves out the events of its own client, and this is one';
  }
}

function cursorOrNull(epoch: string, position: number | undefined): string | null {
  return position === undefined || epoch === '' ? null : encodeCursor(epoch, position);
}
