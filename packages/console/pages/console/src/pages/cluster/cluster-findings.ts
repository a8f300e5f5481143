import { bytesText, countText, durationText, numberText } from '../../parts/format.ts';
import { worstFirst, type Unhealthy } from '../../parts/unhealthy.ts';
import {
  brokerWords,
  hubWords,
  replicaBrokers,
  type ClusterBroker,
  type ClusterHub,
  type ClusterState,
} from './cluster-api.ts';

/** The election of a leader takes up to 10 s. A hub that hears nothing for longer is not ready. */
const SILENT_WATCH_MS = 5_000;
const SILENT_MAX_MS = 10_000;
const BEHIND_MAX = 1_000;
const DISK_WATCH = 0.8;
const DISK_MAX = 0.95;

/** The problems of hubs that a finding of the whole cluster shows. */
const SHOWN_PROBLEMS: ReadonlySet<string> = new Set([
  'cluster_unsafe',
  'cluster_silent',
  'cluster_view_differs',
  'cluster_upgrade_needed',
]);

/** What to do about a hub that is not ready. */
const NOT_READY_ACTS: Readonly<Record<string, string>> = {
  draining: 'It is stopping. Its clients reconnect to the other hubs.',
  log_full: 'Free space on its disk, or give it a larger one.',
  log_unavailable: 'Look at its log: its disk, or its connection to the brokers, does not work.',
  cluster_unsafe: 'It becomes ready when the brokers can show that they store durably.',
  cluster_silent: 'Check that its machine reaches a majority of the brokers.',
  cluster_upgrade_needed:
    'Another hub has written what its version does not know, or it has no key to open it. Upgrade it, or give it the key of cluster.sealKeyFile.',
};

/** What is unhealthy in a cluster and what to do, the worst first. */
export function clusterFindings(state: ClusterState): readonly Unhealthy[] {
  return worstFirst([...journalFindings(state), ...hubFindings(state), ...brokerFindings(state)]);
}

function journalFindings(state: ClusterState): readonly Unhealthy[] {
  const { journal, journalSilentMs, replicasWanted, subscriptionOwner, hubs, unsafe } = state;
  const found: Unhealthy[] = [];
  const { answering, holders, needed } = quorumOf(state);
  if (answering < needed)
    found.push(
      bad(
        `${numberText(answering)} of ${countText(holders, 'broker')} can be reached: no event can be published.`,
        needed === 1
          ? 'Start the broker again, with its disk.'
          : `Start brokers again, with their disks: ${needed} of ${replicasWanted} are enough. Never start empty ones beside those that are left.`,
      ),
    );
  else if (journal === null || (journal.leader === null && journal.replicas > 1))
    found.push(
      watch(
        'No broker leads the journal, so events wait to be stored.',
        'The brokers elect a leader within 10 s. If it takes longer, look at their logs.',
      ),
    );
  if (journalSilentMs > SILENT_WATCH_MS) {
    const text = `The hub that answered has not heard the journal for ${durationText(Math.round(journalSilentMs / 1000))}.`;
    const act = 'Check its connection to the brokers. After 10 s it takes no work, and ends sessions with an identity.';
    found.push(journalSilentMs > SILENT_MAX_MS ? bad(text, act) : watch(text, act));
  }
  if (unsafe !== null && unsafe !== 'the brokers have not been checked yet')
    found.push(
      bad(
        `Confirmed events may be lost: ${unsafe.replaceAll('`', '')}.`,
        'Correct the configuration of the brokers, and restart them one after the other.',
      ),
    );
  if (!hubs.some(({ hub, state: is }) => hub === subscriptionOwner && is !== 'gone'))
    found.push(
      watch(
        'No hub works on subscriptions: nothing is delivered to webhooks and workers.',
        'Another hub goes on within 8 s. If none does, look at the logs of the hubs.',
      ),
    );
  return found;
}

/**
 * The brokers with a replica that answer, all of them,
 * and how many must answer before anything can be published.
 */
function quorumOf(state: ClusterState): {
  readonly answering: number;
  readonly holders: number;
  readonly needed: number;
} {
  const holders = replicaBrokers(state);
  const answering = holders.filter(({ reachable }) => reachable).length;
  const needed = Math.min(holders.length, Math.floor(state.replicasWanted / 2) + 1);
  return { answering, holders: holders.length, needed };
}

function hubFindings(state: ClusterState): readonly Unhealthy[] {
  const running = state.hubs.filter((hub) => hub.state !== 'gone');
  const found = state.hubs.flatMap((hub) => findingsOfHub(hub, state));
  const versions = [...new Set(running.map(({ version, level }) => `${version} (level ${level})`))];
  if (versions.length > 1)
    found.push(
      watch(
        `Hubs of several versions run: ${versions.join(', ')}.`,
        'Upgrade the older ones. Until then no hub writes what they cannot apply, and new features wait.',
      ),
    );
  if (running.length === 1 && state.hubs.length === 1)
    found.push(watch('Only one hub runs.', 'Start another one on a second machine: clients then have a hub to go to.'));
  return found;
}

function findingsOfHub(hub: ClusterHub, state: ClusterState): readonly Unhealthy[] {
  const name = hubWords(hub, state);
  const since = durationText(Math.round(hub.beatAgeMs / 1000));
  if (hub.state === 'gone')
    return [
      watch(
        `${name} has not been heard for ${since}.`,
        'Start it again, or look whether its machine reaches the brokers. If you took it away, there is nothing to do: it leaves this page an hour after its last sign.',
      ),
    ];
  const found: Unhealthy[] = [];
  if (hub.state === 'silent')
    found.push(
      watch(
        `${name} does not answer. Its last sign was ${since} ago.`,
        'It is busy, has just ended, or has an older version. This page asks again by itself.',
      ),
    );
  if (hub.ready === false)
    found.push(
      bad(`${name} accepts no work: ${hub.why ?? 'not ready'}.`, NOT_READY_ACTS[hub.why ?? ''] ?? LOOK_AT_LOG),
    );
  if (hub.sameData === false)
    found.push(
      bad(
        `${name} has other data than the hub that answered.`,
        'Stop the hub whose disk is damaged, empty its data folder, and start it again: it gets its data from the others. With three hubs, it is the one that differs from two.',
      ),
    );
  if (hub.behind > BEHIND_MAX)
    found.push(
      watch(
        `${name} is ${countText(hub.behind, 'block')} behind the journal, so its readers are late.`,
        'It has just started, or its disk or processor is too slow.',
      ),
    );
  for (const problem of hub.problems ?? [])
    if (!SHOWN_PROBLEMS.has(problem)) found.push(bad(`${name} reports ${problem}.`, LOOK_AT_LOG));
  return found;
}

const LOOK_AT_LOG = 'Look at its log.';

function brokerFindings(state: ClusterState): readonly Unhealthy[] {
  const { answering, needed } = quorumOf(state);
  const risk = answering > needed ? '' : ' Until then no further broker may fail.';
  return state.brokers.flatMap((broker) => findingsOfBroker(broker, answering < needed ? '' : risk));
}

/** @param risk a sentence on what must not happen until the broker is back */
function findingsOfBroker(broker: ClusterBroker, risk: string): readonly Unhealthy[] {
  const { reachable, monitoring, missingBlocks, storageBytes, storageBytesMax } = broker;
  const name = brokerWords(broker);
  if (!reachable)
    return [
      watch(
        `${name} does not answer${broker.name === null || monitoring === null ? '' : ` at ${monitoring}`}.`,
        `Start it again, with its disk. It receives what it missed.${risk}`,
      ),
    ];
  const found: Unhealthy[] = [];
  if (missingBlocks !== null && missingBlocks > BEHIND_MAX)
    found.push(
      watch(
        `${name} lacks ${countText(missingBlocks, 'block')} of the journal.`,
        `It catches up after a restart.${risk}`,
      ),
    );
  if (storageBytes !== null && storageBytesMax !== null && storageBytes > storageBytesMax * DISK_WATCH) {
    const text = `${name} has ${bytesText(storageBytes)} of ${bytesText(storageBytesMax)} that it may store.`;
    const act = 'Raise max_file_store of the brokers, or lower cluster.snapshotBytes. A full broker refuses events.';
    found.push(storageBytes > storageBytesMax * DISK_MAX ? bad(text, act) : watch(text, act));
  }
  return found;
}

function bad(text: string, act: string): Unhealthy {
  return { level: 'bad', text, act };
}

function watch(text: string, act: string): Unhealthy {
  return { level: 'watch', text, act };
}
