import type { VNode } from 'preact';
import { LANES } from '../lanes/index.ts';
import { tallyOf } from '../model/tally.ts';
import type { Tally } from '../model/tally.ts';
import { bytesText, durationText } from '../model/words.ts';
import { verdict } from '../model/verdict.ts';
import type { Session } from '../session.ts';

/** Who knew when, and at what cost. */
export function Bill({ session }: { session: Session }): VNode {
  const { order } = session;
  const ended = order?.endedAtMs !== undefined;
  const rows =
    order === undefined
      ? []
      : LANES.map((lane) => ({ lane, tally: tallyOf(order, lane.name, session.wire.lanes[lane.name]) }));
  return (
    <section class="bill" aria-labelledby="bill-title">
      <div class="section-head">
        <h2 id="bill-title">The bill</h2>
        <p>Who knew when, and at what cost{ended ? '' : '. It is made out when the pizza is delivered'}.</p>
      </div>
      {order !== undefined && (
        <div class="table-frame" role="region" aria-labelledby="bill-title" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Transport</th>
                <th scope="col">Knew after (median)</th>
                <th scope="col">At worst</th>
                <th scope="col">Requests</th>
                <th scope="col">For nothing</th>
                <th scope="col">Bytes up</th>
                <th scope="col">Bytes down</th>
                <th scope="col">Events</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ lane, tally }) => (
                <BillRow
                  key={lane.name}
                  title={lane.title}
                  tally={tally}
                  published={order.publications.length}
                  most={mostOf(rows.map((row) => row.tally))}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {ended && (
        <ul class="verdicts">
          {rows.map(({ lane, tally }) => (
            <li key={lane.name}>{verdict(lane.title, tally)}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

interface Most {
  readonly delayMs: number;
  readonly bytes: number;
}

function BillRow({
  title,
  tally,
  published,
  most,
}: {
  title: string;
  tally: Tally;
  published: number;
  most: Most;
}): VNode {
  const bytes = tally.bytesUp + tally.bytesDown;
  return (
    <tr>
      <th scope="row">{title}</th>
      <td>
        <Amount text={durationText(tally.medianDelayMs)} share={(tally.medianDelayMs ?? 0) / most.delayMs} />
      </td>
      <td>{durationText(tally.worstDelayMs)}</td>
      <td>{tally.requests}</td>
      <td class={tally.wasted > 0 ? 'wasted' : ''}>{tally.wasted}</td>
      <td>
        <Amount text={bytesText(tally.bytesUp)} share={tally.bytesUp / most.bytes} />
      </td>
      <td>
        <Amount text={bytesText(tally.bytesDown)} share={tally.bytesDown / most.bytes} />
      </td>
      <td title={`${bytes} bytes for ${tally.seen} events`}>
        {tally.seen} of {published}
        {tally.lost > 0 && <span class="lost"> gap</span>}
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

function mostOf(tallies: readonly Tally[]): Most {
  return {
    delayMs: Math.max(1, ...tallies.map(({ medianDelayMs }) => medianDelayMs ?? 0)),
    bytes: Math.max(1, ...tallies.flatMap(({ bytesUp, bytesDown }) => [bytesUp, bytesDown])),
  };
}
