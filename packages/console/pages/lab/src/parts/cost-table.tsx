import type { VNode } from 'preact';
import { LANES } from '../lanes/index.ts';
import { laneStatsOf } from '../model/lane-stats.ts';
import type { LaneStats } from '../model/lane-stats.ts';
import { bytesText, countText, durationText } from '../model/format.ts';
import { summaryOf } from '../model/summary.ts';
import type { Session } from '../session.ts';

/** The delays and the costs of all lanes. */
export function CostTable({ session }: { session: Session }): VNode {
  const { order } = session;
  const ended = order?.endedAtMs !== undefined;
  const rows =
    order === undefined
      ? []
      : LANES.map((lane) => ({ lane, tally: laneStatsOf(order, lane.name, session.wire.lanes[lane.name]) }));
  return (
    <section class="bill" aria-labelledby="bill-title">
      <div class="section-head">
        <h2 id="bill-title">The bill</h2>
        <p>Delay and cost of each transport{ended ? '' : '. The table appears when the pizza is delivered'}.</p>
      </div>
      {order !== undefined && (
        <div class="table-frame" role="region" aria-labelledby="bill-title" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Transport</th>
                <th scope="col">Delay (median)</th>
                <th scope="col">At worst</th>
                <th scope="col">Requests</th>
                <th scope="col">Without events</th>
                <th scope="col">Bytes up</th>
                <th scope="col">Bytes down</th>
                <th scope="col">Events</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ lane, tally: stats }) => (
                <CostRow
                  key={lane.name}
                  title={lane.title}
                  tally={stats}
                  published={order.publications.length}
                  most={maximaOf(rows.map((row) => row.tally))}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {ended && (
        <ul class="verdicts">
          {rows.map(({ lane, tally: stats }) => (
            <li key={lane.name}>{summaryOf(lane.title, stats)}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

interface Maxima {
  readonly delayMs: number;
  readonly bytes: number;
}

function CostRow({
  title,
  tally: stats,
  published,
  most,
}: {
  title: string;
  tally: LaneStats;
  published: number;
  most: Maxima;
}): VNode {
  const bytes = stats.bytesUp + stats.bytesDown;
  return (
    <tr>
      <th scope="row">{title}</th>
      <td>
        <Amount text={durationText(stats.medianDelayMs)} share={(stats.medianDelayMs ?? 0) / most.delayMs} />
      </td>
      <td>{durationText(stats.worstDelayMs)}</td>
      <td>{stats.requests}</td>
      <td class={stats.wasted > 0 ? 'wasted' : ''}>{stats.wasted}</td>
      <td>
        <Amount text={bytesText(stats.bytesUp)} share={stats.bytesUp / most.bytes} />
      </td>
      <td>
        <Amount text={bytesText(stats.bytesDown)} share={stats.bytesDown / most.bytes} />
      </td>
      <td title={`${bytes} bytes for ${countText(stats.received, 'event')}`}>
        {stats.received} of {published}
        {stats.lost > 0 && <span class="lost"> gap</span>}
      </td>
    </tr>
  );
}

function Amount({ text, share }: { text: string; share: number }): VNode {
  return (
    <span class="amount">
      {text}
      <i style={{ width: `${Math.round(Math.min(1, share) * 100)}%` }} />
    </span>
  );
}

function maximaOf(tallies: readonly LaneStats[]): Maxima {
  return {
    delayMs: Math.max(1, ...tallies.map(({ medianDelayMs }) => medianDelayMs ?? 0)),
    bytes: Math.max(1, ...tallies.flatMap(({ bytesUp, bytesDown }) => [bytesUp, bytesDown])),
  };
}
