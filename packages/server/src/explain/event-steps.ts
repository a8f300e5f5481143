import { encodeCursor, parseCursor } from '@polycast/protocol';
import type { ChannelSettings } from '../core/access/channel-rules.ts';
import type { Position, ReadPage, StoredRecord } from '../core/ports.ts';
import { invalidParameter } from '../http/refusals.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import type { Conclusion, EventAuthor, ExplainedEvent, Findings, Step } from './explanation.ts';
import type { ExplainParts } from './explain-parts.ts';
import { momentText } from './moment-text.ts';

/**
 * Finds the event of an id, in the tail or in the log.
 * @param channel the channel of an event that may be gone, as the question names it
 * @throws PolycastError `invalid_parameter`, `log_unavailable`
 */
export async function locateEvent(parts: ExplainParts, id: string, channel?: string): Promise<ExplainedEvent> {
  const cursor = parseCursor(id);
  if (cursor === undefined) throw invalidParameter('event', 'must be the id of an event');
  const { epoch, position } = cursor;
  const { epoch: present, head } = parts.log.state;
  const unknown = { id, epoch, position, record: undefined, channel, timeMs: undefined, author: {} };
  if (epoch !== present || position > head || position === 0) return unknown;
  const record = await recordAt(parts, position);
  if (record === undefined) return { ...unknown, timeMs: await timeAfter(parts, position) };
  return { ...unknown, record, channel: record.channel, timeMs: record.timeMs, author: authorOf(record) };
}

async function recordAt(parts: ExplainParts, position: Position): Promise<StoredRecord | undefined> {
  const { feed } = parts;
  // Events that are not stored are in the tail alone.
  const found = feed.nextRecords(feed.interest(['>']), position - 1, 1, 1);
  const inTail = found === undefined || found === 'behind' ? undefined : found.records[0];
  if (inTail?.position === position) return inTail;
  const { records } = await readOne(parts, position - 1, position);
  return records[0];
}

/** When the next stored event was accepted: the event before it was accepted by then. */
async function timeAfter(parts: ExplainParts, position: Position): Promise<number | undefined> {
  const { records } = await readOne(parts, position, parts.feed.head);
  return records[0]?.timeMs;
}

function readOne({ feed }: ExplainParts, after: Position, through: Position, channel = '>'): Promise<ReadPage> {
  return feed.read(feed.interest([channel]), after, through, 'forward', 1, 1);
}

/** The order of the members is fixed, and the data comes last. */
function authorOf({ body }: StoredRecord): EventAuthor {
  try {
    const { user, origin } = JSON.parse(`{${new TextDecoder().decode(body)}`) as Readonly<Record<string, unknown>>;
    return {
      ...(typeof user === 'string' && { user }),
      ...(typeof origin === 'string' && { origin }),
    };
  } catch {
    return {};
  }
}

/**
 * Whether the event was accepted and is stored. The conclusion is for those that no reader can get.
 */
export async function eventSteps(parts: ExplainParts, event: ExplainedEvent): Promise<Findings> {
  const { epoch, head } = parts.log.state;
  if (event.epoch !== epoch) return otherEpoch(parts, event);
  if (event.record === undefined) return goneEvent(parts, event, event.position > head);
  const accepted = acceptedStep(parts, event, event.record);
  return { steps: [accepted, storedStep(parts, event.record)], conclusion: undefined };
}

function otherEpoch({ log }: ExplainParts, event: ExplainedEvent): Findings {
  const { epoch, epochStart } = log.state;
  const start = encodeCursor(epoch, epochStart);
  const text = `The event belongs to the log ${event.epoch}; this hub's log is ${epoch} since ${start}.`;
  const step: Step = {
    step: 'stored',
    verdict: 'stopped',
    reason: 'other_epoch',
    text,
    detail: { epoch, epochStart: start },
  };
  const sentence = `The event belongs to an earlier log (${event.epoch}), which was wiped or replaced by a restore; readers that come back with its cursors receive a gap.`;
  return { steps: [step], conclusion: { outcome: 'missed', reason: 'other_epoch', sentence } };
}

async function goneEvent(parts: ExplainParts, event: ExplainedEvent, isAhead: boolean): Promise<Findings> {
  const page = isAhead ? undefined : await readOne(parts, event.position - 1, event.position, event.channel);
  const wasTrimmed = page !== undefined && page.trimmedThrough >= event.position;
  if (!wasTrimmed) {
    const text = isAhead
      ? 'The log has not reached this position: no event with this id was published.'
      : 'The log has no event at this position, and retention removed none after it.';
    const sentence = isAhead
      ? 'There is no event with this id: it was never published to this hub.'
      : 'There is no event with this id: it was never stored here, or a newer value of its channel replaced it.';
    return {
      steps: [{ step: 'stored', verdict: 'stopped', reason: 'no_such_event', text }],
      conclusion: { outcome: 'missed', reason: 'no_such_event', sentence },
    };
  }
  const bounds = event.channel === undefined ? undefined : boundsText(parts.rules.settingsFor(event.channel));
  const limit = bounds === undefined ? 'the limits of its channel' : `its channel's limits (${bounds})`;
  const text = `Retention has removed the event, by ${limit}.`;
  return { steps: [{ step: 'stored', verdict: 'stopped', reason: 'retention', text }], conclusion: undefined };
}

/** The conclusion about an event that retention has removed, when nothing more is known. */
export function retentionConclusion({ steps }: Findings): Conclusion {
  const sentence =
    `The event is no longer stored, and nothing shows that it was delivered before. ${steps[0]?.text ?? ''}`.trim();
  return { outcome: 'missed', reason: 'retention', sentence };
}

function acceptedStep(
  parts: ExplainParts,
  { author, id }: ExplainedEvent,
  { channel, timeMs, type }: StoredRecord,
): Step {
  const nowMs = parts.auth.clock.nowMs();
  const publisher =
    author.user === undefined
      ? author.origin === undefined
        ? 'a server with a key, or an anonymous client'
        : `the client ${author.origin}`
      : `the user ${author.user}`;
  return {
    step: 'accepted',
    verdict: 'passed',
    timeMs,
    text: `Published to ${channel} at ${momentText(timeMs, nowMs)} by ${publisher}.`,
    link: `/v1/channels/${channel}/history?after=${encodeCursor(parts.log.state.epoch, Math.max(0, positionBefore(id)))}&limit=1`,
    detail: { channel, ...(type !== undefined && { type }), ...author },
  };
}

function positionBefore(id: string): Position {
  return (parseCursor(id)?.position ?? 1) - 1;
}

function storedStep({ rules, auth, log }: ExplainParts, { channel, position, timeMs }: StoredRecord): Step {
  const settings = rules.settingsFor(channel);
  const nowMs = auth.clock.nowMs();
  const keptUntilMs = keptUntil(settings, timeMs);
  const until = keptUntilMs === undefined ? '' : ` until ${momentText(keptUntilMs, nowMs)}`;
  const bounds = boundsText(settings);
  const text =
    settings.retain === 'none'
      ? 'Not stored (`retain: none`): only readers that were connected received it.'
      : settings.retain === 'latest'
        ? 'Stored until a newer value of its channel replaces it (`retain: latest`).'
        : `Stored at position ${position}${until}${bounds === undefined ? '' : ` (limits: ${bounds})`}.`;
  return {
    step: 'stored',
    verdict: 'passed',
    timeMs,
    text,
    detail: { cursor: encodeCursor(log.state.epoch, position), keptUntil: timestampOrNull(keptUntilMs) },
  };
}

/** When retention removes an event by its age; `undefined` without such a limit. */
export function keptUntil({ retain, historyAgeMaxMs }: ChannelSettings, timeMs: number): number | undefined {
  return retain === 'history' && historyAgeMaxMs !== undefined ? timeMs + historyAgeMaxMs : undefined;
}

function boundsText({ historyAgeMaxMs, historyCountMax, historyBytesMax }: ChannelSettings): string | undefined {
  const bounds = [
    ...(historyAgeMaxMs === undefined ? [] : [`an age of ${Math.round(historyAgeMaxMs / 1000)} s`]),
    ...(historyCountMax === undefined ? [] : [`${historyCountMax} events`]),
    ...(historyBytesMax === undefined ? [] : [`${historyBytesMax} bytes`]),
  ];
  return bounds.length === 0 ? undefined : bounds.join(', ');
}
