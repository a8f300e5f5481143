import type { VNode } from 'preact';
import type { Lane } from '../lanes/index.ts';
import { lastStep } from '../model/order.ts';
import { STEPS } from '../model/steps.ts';
import { laneStatsOf } from '../model/lane-stats.ts';
import type { TimeAxis } from '../model/time-axis.ts';
import { bytesText, durationText } from '../model/format.ts';
import type { Session } from '../session.ts';
import { Pizza } from './pizza.tsx';
import { LaneTimeline } from './lane-timeline.tsx';

interface LaneRowProps {
  readonly lane: Lane;
  readonly session: Session;
  readonly axis: TimeAxis;
  readonly now: number;
  readonly stripWidth: number;
}

/** One lane: its name, its last event, the traffic on its wire, and its costs. */
export function LaneRow({ lane, session, axis, now, stripWidth }: LaneRowProps): VNode {
  const { order } = session;
  const step = order === undefined ? 0 : lastStep(order.results[lane.name]);
  return (
    <article class="row lane-row" aria-labelledby={`lane-${lane.name}`}>
      <div class="lane-head">
        <div
          class="lane-pizza"
          title={step === 0 ? 'No event received yet.' : `Last event received: ${STEPS[step - 1]?.title}`}
        >
          <Pizza step={step} small />
        </div>
        <h2 id={`lane-${lane.name}`}>{lane.title}</h2>
        <p class="sentence">{lane.sentence}</p>
        <LaneFaultButtons lane={lane} session={session} />
      </div>
      <LaneTimeline lane={lane.name} session={session} axis={axis} now={now} stripWidth={stripWidth} />
      <LaneMetrics lane={lane} session={session} />
    </article>
  );
}

function LaneFaultButtons({ lane, session }: { lane: Lane; session: Session }): VNode {
  return (
    <div class="lane-troubles" role="group" aria-label={`Faults for ${lane.title}`}>
      {lane.faults.map(({ fault, label }) => (
        <button
          key={fault}
          type="button"
          aria-pressed={session.hasFault(lane.name, fault)}
          onClick={() => void session.injectFault({ kind: fault, lane: lane.name })}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

function LaneMetrics({ lane, session }: { lane: Lane; session: Session }): VNode {
  const { order } = session;
  const stats = order === undefined ? undefined : laneStatsOf(order, lane.name, session.wire.lanes[lane.name]);
  return (
    <dl class="figures">
      <div>
        <dt>knew after</dt>
        <dd class="figure">{durationText(stats?.medianDelayMs)}</dd>
        <dd class="aside">
          {stats?.worstDelayMs === undefined ? 'median' : `worst ${durationText(stats.worstDelayMs)}`}
        </dd>
      </div>
      <div>
        <dt>requests</dt>
        <dd class="figure">{stats?.requests ?? 0}</dd>
        <dd class={stats !== undefined && stats.wasted > 0 ? 'aside wasted' : 'aside'}>
          {stats === undefined || stats.wasted === 0 ? 'none wasted' : `${stats.wasted} wasted`}
        </dd>
      </div>
      <div>
        <dt>bytes up</dt>
        <dd class="figure">{bytesText(stats?.bytesUp ?? 0)}</dd>
        <dd class="aside">{bytesText(stats?.bytesDown ?? 0)} down</dd>
      </div>
    </dl>
  );
}
