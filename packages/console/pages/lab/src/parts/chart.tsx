import type { VNode } from 'preact';
import { LANES } from '../lanes/index.ts';
import type { Order } from '../model/order.ts';
import { STEPS } from '../model/steps.ts';
import { timeAxis } from '../model/time-axis.ts';
import type { TimeAxis } from '../model/time-axis.ts';
import { secondsText } from '../model/words.ts';
import type { Session } from '../session.ts';
import { LaneRow } from './lane-row.tsx';
import { useNow } from './use-frame.ts';

/** The kitchen's row and one row a lane, over one time axis. */
export function Chart({ session }: { session: Session }): VNode {
  const { order, running } = session;
  const clock = useNow(running);
  const now = order?.endedAtMs ?? clock;
  const ended = order?.endedAtMs !== undefined;
  const axis = timeAxis(order?.startedAtMs ?? now, now, ended);
  return (
    <section class={ended ? 'chart ended' : 'chart'} aria-label="What happens on the wires">
      <KitchenRow session={session} axis={axis} now={now} />
      {LANES.map((lane) => (
        <LaneRow key={lane.name} lane={lane} session={session} axis={axis} now={now} />
      ))}
      <Legend />
    </section>
  );
}

function KitchenRow({ session, axis, now }: { session: Session; axis: TimeAxis; now: number }): VNode {
  const { order } = session;
  return (
    <div class="row kitchen-row">
      <p class="row-label">
        <b>Kitchen</b> publishes
      </p>
      <div class="strip" aria-hidden="true">
        {axis.ticksMs
          .filter((offsetMs) => axis.percent(axis.fromMs + offsetMs) < 97)
          .map((offsetMs) => (
            <span key={offsetMs} class="tick" style={{ left: `${axis.percent(axis.fromMs + offsetMs)}%` }}>
              {secondsText(offsetMs)}
            </span>
          ))}
        {order === undefined && (
          <span class="hint">Order a pizza: each of its states is published here, and each request appears below.</span>
        )}
        {order?.publications.map(({ step, sentAtMs, acceptedAtMs }) => (
          <span
            key={step}
            class={`publication ${acceptedAtMs === undefined ? 'sending' : ''}`}
            style={{ left: `${axis.percent(sentAtMs)}%` }}
          >
            <span class="number">{step}</span>
            {hasRoom(order, step, axis) && <span class="publication-title">{STEPS[step - 1]?.title}</span>}
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

/** Whether a title fits in before the next publication. The shares of the width are those of the text on a desktop. */
function hasRoom(order: Order, step: number, axis: TimeAxis): boolean {
  const next = order.publications[step];
  if (next === undefined) return true;
  const titleShare = 3.6 + 0.95 * (STEPS[step - 1]?.title.length ?? 0);
  return axis.percent(next.sentAtMs) - axis.percent(order.publications[step - 1]?.sentAtMs ?? 0) > titleShare;
}

function Legend(): VNode {
  return (
    <ul class="legend">
      <li>
        <i class="bar news" /> a request that brought news
      </li>
      <li>
        <i class="bar open" /> held open
      </li>
      <li>
        <i class="bar nothing" /> for nothing
      </li>
      <li>
        <i class="bar failed" /> failed
      </li>
      <li>
        <i class="refusal" /> refused
      </li>
      <li>
        <i class="number seen">1</i> the event is known, its tail the delay
      </li>
    </ul>
  );
}
