import type { VNode } from 'preact';
import { outcomeOf } from '../model/exchange.ts';
import type { Exchange } from '../model/exchange.ts';
import { groupMarks } from '../model/marks.ts';
import type { Order } from '../model/order.ts';
import type { LaneName } from '../model/records.ts';
import type { TimeAxis } from '../model/time-axis.ts';
import { bytesText, countText, durationText } from '../model/format.ts';
import type { LaneWire } from '../model/wire-model.ts';
import type { Session } from '../session.ts';

interface LaneTimelineProps {
  readonly lane: LaneName;
  readonly session: Session;
  readonly axis: TimeAxis;
  readonly now: number;
  /** In pixels. */
  readonly stripWidth: number;
}

/** The timeline of a lane: a bar for each request, a mark for each event, bands for faults. */
export function LaneTimeline({ lane, session, axis, now, stripWidth }: LaneTimelineProps): VNode {
  const { order, wire } = session;
  if (order === undefined) return <div class="strip" />;
  const laneWire = wire.lanes[lane];
  return (
    <div class="strip" role="img" aria-label={describe(order, lane, laneWire)}>
      <FaultBands lane={lane} laneWire={laneWire} session={session} axis={axis} now={now} />
      {order.publications.map(({ step, sentAtMs }) => (
        <i key={step} class="published-line" style={{ left: `${axis.percent(sentAtMs)}%` }} />
      ))}
      {lane === 'webhook' && <RetryWaits laneWire={laneWire} session={session} axis={axis} now={now} />}
      {laneWire.exchanges.map((exchange) => (
        <Bar key={exchange.number} exchange={exchange} axis={axis} now={now} stripWidth={stripWidth} />
      ))}
      {laneWire.refusals.map(({ atMs }) => (
        <i key={atMs} class="refusal" style={{ left: `${axis.percent(atMs)}%` }} />
      ))}
      <Marks order={order} lane={lane} axis={axis} stripWidth={stripWidth} />
      {session.running && <i class="now" style={{ left: `${axis.percent(now)}%` }} />}
    </div>
  );
}

type BarProps = Pick<LaneTimelineProps, 'axis' | 'now' | 'stripWidth'> & { readonly exchange: Exchange };

function Bar({ exchange, axis, now, stripWidth }: BarProps): VNode {
  const left = axis.percent(exchange.startedAtMs);
  const width = axis.percent(exchange.endedAtMs ?? now) - left;
  const word = barLabelOf(exchange, (width * stripWidth) / 100);
  const state = `${exchange.kind} ${outcomeOf(exchange)} ${exchange.endedAtMs === undefined ? 'still-open' : ''}`;
  return (
    <i class={`bar ${state}`} style={{ left: `${left}%`, width: `${width}%` }} title={titleOf(exchange, now)}>
      {word !== '' && <span>{word}</span>}
    </i>
  );
}

/** The pause between a failed attempt and the next one, which grows each time. */
function RetryWaits({
  laneWire,
  session,
  axis,
  now,
}: Omit<LaneTimelineProps, 'lane' | 'stripWidth'> & { laneWire: LaneWire }): VNode {
  const attempts = attemptsOf(laneWire);
  return (
    <>
      {attempts.map(({ failedAtMs }, index) => {
        const next = attempts[index + 1]?.startedAtMs ?? (session.running ? now : undefined);
        if (failedAtMs === undefined || next === undefined) return null;
        const left = axis.percent(failedAtMs);
        const width = axis.percent(next) - left;
        return (
          <i key={failedAtMs} class="wait" style={{ left: `${left}%`, width: `${width}%` }}>
            <span>{durationText(next - failedAtMs)}</span>
          </i>
        );
      })}
    </>
  );
}

interface Attempt {
  readonly startedAtMs: number;
  /** Undefined if it was accepted, or is in flight. */
  readonly failedAtMs: number | undefined;
}

function attemptsOf({ exchanges, refusals }: LaneWire): Attempt[] {
  const refused = refusals.map(({ atMs }) => ({ startedAtMs: atMs, failedAtMs: atMs }));
  const asked = exchanges.map((exchange) => ({
    startedAtMs: exchange.startedAtMs,
    failedAtMs: outcomeOf(exchange) === 'failed' ? exchange.endedAtMs : undefined,
  }));
  return [...refused, ...asked].toSorted((one, other) => one.startedAtMs - other.startedAtMs);
}

const BAR_LABELS: Readonly<Record<Exchange['kind'], string>> = {
  poll: 'held',
  stream: 'one answer, kept open',
  socket: 'one socket',
  preflight: 'preflight',
  call: 'at work',
};

/**
 * The text in a bar that has room for it.
 * @param width in pixels
 */
function barLabelOf({ kind, status }: Exchange, width: number): string {
  const word = kind === 'call' && status !== undefined && status >= 300 ? String(status) : BAR_LABELS[kind];
  return width > LABEL_PADDING + LETTER_WIDTH * word.length ? word : '';
}

/** In pixels. */
const LABEL_PADDING = 24;
const LETTER_WIDTH = 6.5;

function Marks({
  order,
  lane,
  axis,
  stripWidth,
}: Omit<LaneTimelineProps, 'session' | 'now'> & { order: Order }): VNode {
  const { received, gaps } = order.results[lane];
  return (
    <>
      {received.map((sighting) => {
        const from = axis.percent(order.publications[sighting.step - 1]?.sentAtMs ?? sighting.receivedAtMs);
        const to = axis.percent(sighting.receivedAtMs);
        return <i key={sighting.step} class="delay" style={{ left: `${from}%`, width: `${to - from}%` }} />;
      })}
      {groupMarks(received, stripWidth, ({ receivedAtMs }) => (axis.percent(receivedAtMs) * stripWidth) / 100).map(
        ({ items, centerPx }) => (
          <i key={items[0]?.step} class="number seen" style={{ left: `${(centerPx / stripWidth) * 100}%` }}>
            {items.map(({ step }) => step).join('·')}
          </i>
        ),
      )}
      {gaps.map(({ reason, atMs }) => (
        <i key={atMs} class="gap-mark" style={{ left: `${axis.percent(atMs)}%` }}>
          gap: {reason}
        </i>
      ))}
    </>
  );
}

function FaultBands({
  lane,
  laneWire,
  session,
  axis,
  now,
}: Omit<LaneTimelineProps, 'stripWidth'> & { laneWire: LaneWire }): VNode {
  const band = (key: string, word: string, fromMs: number, toMs: number): VNode => {
    const left = axis.percent(fromMs);
    return (
      <i
        key={key}
        class={`band band-${word}`}
        style={{ left: `${left}%`, width: `${axis.percent(Math.min(toMs, now)) - left}%` }}
      >
        <span>{(lane === 'webhook' ? RECEIVER_FAULT_LABELS[word] : undefined) ?? KILL_LABELS[word] ?? word}</span>
      </i>
    );
  };
  return (
    <>
      {laneWire.faults.map(({ fault, fromMs, toMs }) => band(`${fault}${fromMs}`, fault, fromMs, toMs))}
      {session.wire.hubSpans.map(({ action, fromMs, toMs }) => band(`hub${fromMs}`, action, fromMs, toMs ?? now))}
    </>
  );
}

/** The fault's name, as on its button. */
const RECEIVER_FAULT_LABELS: Readonly<Record<string, string>> = { cut: 'down', busy: 'slow' };

const KILL_LABELS: Readonly<Record<string, string>> = { 'kill-hub': 'hub killed', 'kill-broker': 'broker killed' };

function titleOf(exchange: Exchange, now: number): string {
  const { method, status, startedAtMs, endedAtMs, events, bytesUp, bytesDown } = exchange;
  const answer = status === undefined ? 'no answer yet' : String(status);
  return `${method} → ${answer}, ${durationText((endedAtMs ?? now) - startedAtMs)}, ${countText(events, 'event')}, ${bytesText(bytesUp)} up, ${bytesText(bytesDown)} down`;
}

function describe(order: Order, lane: LaneName, { exchanges }: LaneWire): string {
  return `${countText(exchanges.length, 'request')}, ${countText(order.results[lane].received.length, 'event')} seen`;
}
