import type { VNode } from 'preact';
import { useRef } from 'preact/hooks';
import { read } from '../../hub/hub.ts';
import { Facts, Failure, Head, Time } from '../../parts/basics.tsx';
import { AnsweredBy } from '../../parts/answered-by.tsx';
import { Chart } from '../../parts/chart.tsx';
import { Health } from '../../parts/health.tsx';
import type { drawPlot } from '../../parts/plot.ts';
import { bytesText, durationText, numberText } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { setParams, useRoute } from '../../router.ts';
import { CHARTS } from './charts.ts';
import { findingsOf } from './findings.ts';
import {
  mergeHistory,
  withConnections,
  type HubStatus,
  type StatusHistory,
  type StatusHistoryAnswer,
} from './status.ts';

const RANGES = [
  { name: '5m', title: '5 minutes', seconds: 300 },
  { name: '1h', title: '1 hour', seconds: 3600 },
  { name: '6h', title: '6 hours', seconds: 21_600 },
  { name: '24h', title: '24 hours', seconds: 86_400 },
  { name: '7d', title: '7 days', seconds: 604_800 },
];
/** The hub takes a sample as often. */
const REFRESH_MS = 5000;

interface Shown {
  readonly status: HubStatus;
  readonly history: StatusHistory;
}

/**
 * Reads the steps that are not known. Another hub of a cluster has a history of its own,
 * which is read whole.
 */
async function readHistory(
  seconds: number,
  known: StatusHistory | undefined,
  signal: AbortSignal,
): Promise<StatusHistoryAnswer> {
  const path = `status/history?seconds=${seconds}`;
  if (known === undefined) return read(path, signal);
  // The last step is not over, so it is read again.
  const after = new Date((known.times.at(-1) ?? 1) - 1).toISOString();
  const answer = await read<StatusHistoryAnswer>(`${path}&after=${after}`, signal);
  return answer.cluster?.hub === known.cluster?.hub ? answer : read(path, signal);
}

/** The code of the pictures, which the text of this page does not wait for. */
async function loadPlots(): Promise<typeof drawPlot> {
  try {
    return (await import('../../parts/plot.ts')).drawPlot;
  } catch (error) {
    throw new Error('The pictures of the charts could not be loaded. Load this page again.', { cause: error });
  }
}

/** What is unhealthy first, then the numbers of the hub over time. */
export function Overview(): VNode {
  const { params } = useRoute();
  const range = RANGES.find(({ name }) => name === params.get('range')) ?? RANGES[1];
  const seconds = range?.seconds ?? 3600;
  const known = useRef<{ readonly seconds: number; readonly history: StatusHistory }>(undefined);
  const { value, error } = useLoad<Shown>(
    async (signal) => {
      const last = known.current?.seconds === seconds ? known.current.history : undefined;
      const [status, answer] = await Promise.all([
        read<HubStatus>('status', signal),
        readHistory(seconds, last, signal),
      ]);
      const history = mergeHistory(last, answer, Date.parse(status.time) - seconds * 1000);
      known.current = { seconds, history };
      return { status, history: withConnections(history, status) };
    },
    [seconds],
    REFRESH_MS,
  );
  const plots = useLoad(loadPlots, []);
  return (
    <>
      <Head title="Overview">
        <div class="segments" role="group" aria-label="Time range">
          {RANGES.map(({ name, title }) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === range?.name}
              onClick={() => setParams({ range: name })}
            >
              {title}
            </button>
          ))}
        </div>
      </Head>
      <Failure error={error} />
      <Failure error={plots.error} />
      {value !== undefined && (
        <>
          <Health found={findingsOf(value.status, value.history)}>
            Everything is well: the hub stores, delivers, and has room.
          </Health>
          <AnsweredBy
            hub={value.status.cluster}
            other={value.history.cluster}
            says="These numbers are those of"
            otherSays="The charts are those of"
          />
          <Now status={value.status} />
          <div class="charts">
            {CHARTS.map(({ title, format, lines }) => (
              <Chart
                key={title}
                title={title}
                times={value.history.times}
                stepSeconds={value.history.stepSeconds}
                range={[Date.parse(value.status.time) - seconds * 1000, Date.parse(value.status.time)]}
                lines={lines(value.history)}
                format={format}
                draw={plots.value}
              />
            ))}
          </div>
        </>
      )}
    </>
  );
}

function Now({ status }: { status: HubStatus }): VNode {
  const { log, storage, process, sessions, limits, version, started, uptimeSeconds } = status;
  const open = Object.values(sessions).reduce((sum, count) => sum + count, 0);
  return (
    <Facts
      facts={[
        ['Stored events', numberText(log.events)],
        ['Channels', numberText(log.channels)],
        ['Connections', `${numberText(open)} of ${numberText(limits.connectionsMax)}`],
        ['Log on disk', bytesText(storage.databaseBytes)],
        ['Disk free', `${bytesText(storage.freeBytes)} of ${bytesText(storage.sizeBytes)}`],
        ['Memory', bytesText(process.residentBytes)],
        ['Up for', durationText(uptimeSeconds)],
        ['Started', <Time key="started" at={started} />],
        ['Version', version],
      ]}
    />
  );
}
