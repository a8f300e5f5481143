import { PolycastError } from '@polycast/client';
import type { VNode } from 'preact';
import { read } from '../../hub/hub.ts';
import { Facts, Failure, Head, Table, Time } from '../../parts/basics.tsx';
import { bytesText, countText, durationText, numberText } from '../../parts/format.ts';
import { Health } from '../../parts/health.tsx';
import { useLoad } from '../../parts/use-load.ts';
import { replicaBrokers, type ClusterBroker, type ClusterHub, type ClusterState } from './cluster-api.ts';
import { clusterFindings } from './cluster-findings.ts';

/** After an answer. One takes up to 3 s while a hub or a broker does not reply. */
const REFRESH_MS = 5_000;

/** The hubs, the brokers and the journal of a cluster; what is unhealthy first. */
export function Cluster(): VNode {
  const { value: state, error } = useLoad((signal) => read<ClusterState>('cluster', signal), [], REFRESH_MS);
  return (
    <>
      <Head
        title={state === undefined ? 'Cluster' : `Cluster ${state.name}`}
        lead="Hubs that share one log, and the brokers that store its journal. It is what the hub that answers sees now."
      />
      <Failure error={error} />
      {isUnheard(error) && (
        <p class="soft">
          The hub that answers is cut off from the brokers, so it cannot check your login. Another hub may answer. On
          its machine, <code>polycast cluster status</code> asks the brokers without a login.
        </p>
      )}
      {error !== undefined && state !== undefined && (
        <p class="answered-by">
          Below is what a hub answered at <Time at={state.time} />.
        </p>
      )}
      {state !== undefined && <Shown state={state} />}
    </>
  );
}

/** Whether the hub refuses all logins, because it does not hear whether they were revoked. */
function isUnheard(error: unknown): boolean {
  return error instanceof PolycastError && error.code === 'identity_unavailable';
}

function Shown({ state }: { state: ClusterState }): VNode {
  const { hubs, brokers, journal, snapshots } = state;
  return (
    <>
      <Health found={clusterFindings(state)}>
        Everything is well: the hubs have the same data, and the brokers store it durably.
      </Health>
      <Totals state={state} />
      <section class="section">
        <h2>Hubs</h2>
        <Table label="Hubs" head={['Hub', 'State', 'Version', 'Newest event', 'Journal', 'Data', 'Work', 'Sessions']}>
          {hubs.map((hub) => (
            <HubRow key={hub.hub} hub={hub} answered={state.hub} />
          ))}
        </Table>
      </section>
      <section class="section">
        <h2>Brokers</h2>
        <Table label="Brokers" head={['Broker', 'State', 'Version', 'Replica', 'Sync', 'Stored']}>
          {brokers.map((broker) => (
            <BrokerRow key={broker.name ?? broker.monitoring} broker={broker} />
          ))}
        </Table>
      </section>
      <section class="section">
        <h2>Journal</h2>
        {journal === null ? (
          <p class="soft">No broker answers for it at the moment.</p>
        ) : (
          <Facts
            facts={[
              ['Blocks', `${numberText(journal.first)} to ${numberText(journal.last)}`],
              ['Size', bytesText(journal.bytes)],
              ['Oldest block', <Time key="oldest" at={journal.oldest} />],
              ['Replicas', `${numberText(journal.replicas)} of ${numberText(state.replicasWanted)}`],
              ['Leader', journal.leader ?? (journal.replicas > 1 ? 'none' : '–')],
            ]}
          />
        )}
      </section>
      <section class="section">
        <h2>Snapshots</h2>
        <Snapshots snapshots={snapshots} />
      </section>
    </>
  );
}

function Totals({ state }: { state: ClusterState }): VNode {
  const { hubs, brokers, time, subscriptionOwner } = state;
  const running = hubs.filter((hub) => hub.state !== 'gone');
  const reachable = replicaBrokers(state).filter((broker) => broker.reachable);
  const sessions = running.reduce((sum, hub) => sum + (hub.sessions ?? 0), 0);
  return (
    <Facts
      facts={[
        ['Hubs', `${numberText(running.length)} running`],
        ['Brokers', `${numberText(reachable.length)} of ${numberText(replicaBrokers({ brokers }).length)} answer`],
        ['Sessions', numberText(sessions)],
        ['Works on subscriptions', hubs.find(({ hub }) => hub === subscriptionOwner)?.host ?? 'no hub'],
        ['As of', <Time key="time" at={time} />],
      ]}
    />
  );
}

const STATES = {
  answers: { words: 'answers', level: 'well' },
  silent: { words: 'no answer', level: 'watch' },
  gone: { words: 'gone', level: 'bad' },
} as const;

const WORKS = { subscriptions: 'subscriptions, erasures', retention: 'retention, snapshots, presence' } as const;

function HubRow({ hub, answered }: { hub: ClusterHub; answered: string }): VNode {
  const { words, level } = STATES[hub.state];
  return (
    <tr>
      <td class="name">
        {hub.host}
        <div class="soft mono unbroken">{hub.address}</div>
        <div class="soft mono">{hub.hub}</div>
      </td>
      <td class="nowrap">
        <span class={`tag ${level}`}>{words}</span>
        {hub.ready === false && <span class="tag bad">{hub.why ?? 'not ready'}</span>}
        <div class="soft">{hub.hub === answered ? 'gave this answer' : `last beat ${ageText(hub.beatAgeMs)} ago`}</div>
        {hub.uptimeSeconds !== null && <div class="soft">up for {durationText(hub.uptimeSeconds)}</div>}
      </td>
      <td>
        {hub.version}
        <div class="soft">level {hub.level}</div>
      </td>
      <td>{numberText(hub.head)}</td>
      <td class="nowrap">
        block {numberText(hub.block)}
        <div class="soft">{numberText(hub.behind)} behind</div>
      </td>
      <td>
        {hub.state !== 'gone' && <DataTag sameData={hub.sameData} />}
        <div class="soft mono">{hub.hash}</div>
      </td>
      <td>{hub.work.length === 0 ? '–' : hub.work.map((work) => <div key={work}>{WORKS[work]}</div>)}</td>
      <td>{numberText(hub.sessions)}</td>
    </tr>
  );
}

/** Beats come once a second, so more than their seconds says nothing. */
function ageText(ms: number): string {
  return durationText(Math.round(ms / 1000));
}

function DataTag({ sameData }: { sameData: boolean | null }): VNode {
  if (sameData === null) return <span class="tag">not compared yet</span>;
  return sameData ? <span class="tag well">equal</span> : <span class="tag bad">differs</span>;
}

function BrokerRow({ broker }: { broker: ClusterBroker }): VNode {
  const { name, monitoring, reachable, leader, version } = broker;
  return (
    <tr>
      <td class="name">
        {name ?? '–'}
        <div class="soft mono">{monitoring ?? 'no monitoring port'}</div>
      </td>
      <td>
        {reachable ? <span class="tag well">answers</span> : <span class="tag bad">no answer</span>}
        {leader && <div>leads the journal</div>}
      </td>
      <td>{version === null ? '–' : `NATS ${version}`}</td>
      <td>{replicaText(broker)}</td>
      <td>{syncText(broker)}</td>
      <td>
        {broker.storageBytes === null
          ? '–'
          : `${bytesText(broker.storageBytes)} of ${bytesText(broker.storageBytesMax)}`}
      </td>
    </tr>
  );
}

function replicaText({ replica, missingBlocks }: ClusterBroker): string {
  if (!replica) return '–';
  if (missingBlocks === null) return 'catching up';
  return missingBlocks === 0 ? 'complete' : `lacks ${countText(missingBlocks, 'block')}`;
}

function syncText({ syncAlways, syncIntervalMs }: ClusterBroker): VNode {
  if (syncAlways === null) return <span>–</span>;
  if (syncAlways) return <span class="tag well">always</span>;
  return <span class="tag bad">every {durationText((syncIntervalMs ?? 0) / 1000)}</span>;
}

function Snapshots({ snapshots }: Pick<ClusterState, 'snapshots'>): VNode {
  if (snapshots === null) return <p class="soft">No broker answers for them at the moment.</p>;
  if (snapshots.length === 0)
    return <p class="soft">There is none yet. The first one is taken when the journal has cluster.snapshotBytes.</p>;
  return (
    <Table label="Snapshots" head={['Up to block', 'Size', 'Taken']}>
      {snapshots.map(({ block, bytes, stored }) => (
        <tr key={block}>
          <td>{numberText(block)}</td>
          <td>{bytesText(bytes)}</td>
          <td>
            <Time at={stored} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
