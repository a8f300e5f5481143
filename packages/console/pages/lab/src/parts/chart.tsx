import type { RefObject, VNode } from 'preact';
import { LANES } from '../lanes/index.ts';
import { groupMarks } from '../model/marks.ts';
import type { Order } from '../model/order.ts';
import { STEPS } from '../model/steps.ts';
import { timeAxis } from '../model/time-axis.ts';
import type { TimeAxis } from '../model/time-axis.ts';
import { secondsText } from '../model/format.ts';
import type { Session } from '../session.ts';
import { LaneRow } from './lane-row.tsx';
import { useNow } from './use-frame.ts';
import { useWidth } from './use-width.ts';

/** The kitchen's row and one row per lane, over one time axis. */
export function Chart({ session }: { session: Session }): VNode {
  const { order, running } = session;
  const clock = useNow(running);
  const now = order?.endedAtMs ?? clock;
  const ended = order?.endedAtMs !== undefined;
  const axis = timeAxis(order?.startedAtMs ?? now, now, ended);
  const [strip, stripWidth] = useWidth();
  return (
    <section class={ended ? 'chart ended' : 'chart'} aria-label="Network traffic of each transport">
      <KitchenRow session={session} axis={axis} now={now} strip={strip} stripWidth={stripWidth} />
      {LANES.map((lane) => (
        <LaneRow key={lane.name} lane={lane} session={session} axis={axis} now={now} stripWidth={stripWidth} />
      ))}
      <Legend />
    </section>
  );
}

interface KitchenRowProps {
  readonly session: Session;
  readonly axis: TimeAxis;
  readonly now: number;
  readonly strip: RefObject<HTMLDivElement | null>;
  readonly stripWidth: number;
}

function KitchenRow({ session, axis, now, strip, stripWidth }: KitchenRowProps): VNode {
  const { order } = session;
  const numbers = numbersOf(order, axis, stripWidth);
  return (
    <div class="row kitchen-row">
      <p class="row-label">
        <b>Kitchen</b> publishes
      </p>
      <div class="strip" aria-hidden="true" ref={strip}>
        {axis.ticksMs(stripWidth).map((offsetMs) => (
          <span key={offsetMs} class="tick" style={{ left: `${axis.percent(axis.fromMs + offsetMs)}%` }}>
            {secondsText(offsetMs)}
          </span>
        ))}
        {order === undefined && (
          <span class="hint">Order a pizza. Its states are published here, and each request appears below.</span>
        )}
        {order?.publications.map(({ step, sentAtMs, acceptedAtMs }) => (
          <span
            key={step}
            class={`publication ${acceptedAtMs === undefined ? 'sending' : ''}`}
            style={{ left: `${axis.percent(sentAtMs)}%` }}
          >
            {numbers.has(step) && <span class="number">{numbers.get(step)}</span>}
            {numbers.get(step) === String(step) && hasRoom(order, step, axis, stripWidth) && (
              <span class="publication-title">{STEPS[step - 1]?.title}</span>
            )}
          </span>
        ))}
        {session.running && <span class="now" style={{ left: `${axis.percent(now)}%` }} />}
      </div>
      <p class="row-head-figures" aria-hidden="true">
        <span>knew after</span>
        <span>requests</span>
        <span>bytes up</span>
      </p>
    </div>
  );
}

/**
 * The label of a publication, by its step: its number, and the numbers of publications whose labels
 * would overlap it.
 */
function numbersOf(order: Order | undefined, axis: TimeAxis, stripWidth: number): Map<number, string> {
  const groups = groupMarks(
    order?.publications ?? [],
    stripWidth,
    ({ sentAtMs }) => (axis.percent(sentAtMs) * stripWidth) / 100,
  );
  return new Map(groups.map(({ items }) => [items[0]?.step ?? 0, items.map(({ step }) => step).join('·')]));
}

/** Whether a title fits before the next publication, or the end of the strip. */
function hasRoom(order: Order, step: number, axis: TimeAxis, stripWidth: number): boolean {
  const [own, next] = [order.publications[step - 1], order.publications[step]];
  const from = axis.percent(own?.sentAtMs ?? 0);
  const room = ((next === undefined ? 100 : axis.percent(next.sentAtMs)) - from) * (stripWidth / 100);
  return room > NUMBER_WIDTH + LETTER_WIDTH * (STEPS[step - 1]?.title.length ?? 0);
}

/**
 * The widths in pixels of the number before a title, with the space on both sides, and of a letter
 * of the title.
 */
const NUMBER_WIDTH = 34;
const LETTER_WIDTH = 7;

function Legend(): VNode {
  return (
    <ul class="legend">
      <li>
        <i class="bar news" /> a request with events
      </li>
      <li>
        <i class="bar open" /> held open
      </li>
      <li>
        <i class="bar nothing" /> without events
      </li>
      <li>
        <i class="bar failed" /> failed
      </li>
      <li>
        <i class="refusal" /> refused
      </li>
      <li>
        <i class="number seen">1</i> the event is received; its tail is the delay
      </li>
    </ul>
  );
}
