import type { VNode } from 'preact';
import type { Lane } from '../lanes/index.ts';
import { known } from '../model/order.ts';
import { STEPS } from '../model/steps.ts';
import { tallyOf } from '../model/tally.ts';
import type { TimeAxis } from '../model/time-axis.ts';
import { bytesText, durationText } from '../model/words.ts';
import type { Session } from '../session.ts';
import { Pizza } from './pizza.tsx';
import { Strip } from './strip.tsx';

interface LaneRowProps {
  readonly lane: Lane;
  readonly session: Session;
  readonly axis: TimeAxis;
  readonly now: number;
  readonly stripWidth: number;
}

/** One lane: what it is, what it knows, what happened on its wire, and what that cost. */
export function LaneRow({ lane, session, axis, now, stripWidth }: LaneRowProps): VNode {
  const { order } = session;
  const step = order === undefined ? 0 : known(order.views[lane.name]);
  return (
    <article class="row lane-row" aria-labelledby={`lane-${lane.name}`}>
      <div class="lane-head">
        <div class="lane-pizza" title={step === 0 ? 'It knows of nothing yet.' : `It knows: ${STEPS[step - 1]?.title}`}>
          <Pizza step={step} small />
        </div>
        <h2 id={`lane-${lane.name}`}>{lane.title}</h2>
        <p class="sentence">{lane.sentence}</p>
        <LaneTroubles lane={lane} session={session} />
      </div>
      <Strip lane={lane.name} session={session} axis={axis} now={now} stripWidth={stripWidth} />
      <Figures lane={lane} session={session} />
    </article>
  );
}

function LaneTroubles({ lane, session }: { lane: Lane; session: Session }): VNode {
  return (
    <div class="lane-troubles" role="group" aria-label={`Make trouble for ${lane.title}`}>
      {lane.troubles.map(({ fault, word }) => (
        <button
          key={fault}
          type="button"
          aria-pressed={session.isBroken(lane.name, fault)}
          onClick={() => void session.trouble({ kind: fault, lane: lane.name })}
        >
          {word}
        </button>
      ))}
    </div>
  );
}

function Figures({ lane, session }: { lane: Lane; session: Session }): VNode {
  const { order } = session;
  const tally = order === undefined ? undefined : tallyOf(order, lane.name, session.wire.lanes[lane.name]);
  return (
    <dl class="figures">
      <div>
        <dt>knew after</dt>
        <dd class="figure">{durationText(tally?.medianDelayMs)}</dd>
        <dd class="aside">
          {tally?.worstDelayMs === undefined ? 'median' : `worst ${durationText(tally.worstDelayMs)}`}
        </dd>
      </div>
      <div>
        <dt>requests</dt>
        <dd class="figure">{tally?.requests ?? 0}</dd>
        <dd class={tally !== undefined && tally.wasted > 0 ? 'aside wasted' : 'aside'}>
          {tally === undefined || tally.wasted === 0 ? 'none wasted' : `${tally.wasted} wasted`}
        </dd>
      </div>
      <div>
        <dt>bytes up</dt>
        <dd class="figure">{bytesText(tally?.bytesUp ?? 0)}</dd>
        <dd class="aside">{bytesText(tally?.bytesDown ?? 0)} down</dd>
      </div>
    </dl>
  );
}
