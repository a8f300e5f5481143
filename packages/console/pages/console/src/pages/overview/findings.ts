import { bytesText, countText, durationText, numberText } from '../../parts/format.ts';
import { worstFirst, type Unhealthy } from '../../parts/unhealthy.ts';
import { href } from '../../router.ts';
import { newest, sumSince, type HubStatus, type StatusHistory } from './status.ts';

/**
 * A finding is something unhealthy, in words, with a link to where it is looked after. Example: "2
 * subscriptions are suspended: their endpoints have failed for days."
 */
export interface Finding extends Unhealthy {
  readonly link: string;
  readonly linkText: string;
}

/** The time that a recent failure stays a finding. */
const RECENT_MS = 5 * 60_000;
const DEAD_LETTERS_MS = 3_600_000;
const NEAR_LIMIT = 0.8;
const DISK_FREE_MIN = 0.1;
const BACKLOG_SECONDS_MAX = 60;
const LAG_EVENTS_MAX = 10_000;
const LOOP_DELAY_SECONDS_MAX = 0.1;
/** A start, or one large answer, delays work for a moment only. */
const LOOP_DELAY_LASTS_SECONDS = 30;
const CERTIFICATE_DAYS_MIN = 14;
const DAY_MS = 86_400_000;

const PROBLEM_WORDS: Readonly<Record<string, string>> = {
  log_damaged: 'A part of the log is damaged on the disk. Readers get a gap in its place.',
  identity_incomplete: 'Acknowledged changes of keys or revocations were missing when the hub started.',
  subscriptions_incomplete: 'Acknowledged changes of subscriptions were missing when the hub started.',
  cluster_unsafe: 'The brokers of the cluster may lose confirmed events.',
  cluster_silent: 'This hub does not hear a majority of the brokers.',
  cluster_view_differs: 'The data of this hub differs from that of another hub.',
  cluster_upgrade_needed: 'Another hub has a later version, and this one has stopped at what it wrote.',
};

/** What is unhealthy, the worst first. An empty list: nothing is. */
export function findingsOf(status: HubStatus, history: StatusHistory): readonly Finding[] {
  const found = [...stateFindings(status), ...subscriptionFindings(status, history), ...boundFindings(status, history)];
  return worstFirst(found);
}

function stateFindings({ ready, why, problems, certificate, time }: HubStatus): readonly Finding[] {
  const found: Finding[] = [];
  if (!ready) {
    const [page, title] = why?.startsWith('cluster_') ? ['cluster', 'Cluster'] : ['settings', 'Settings'];
    found.push(bad(`The hub accepts no events: ${why ?? 'not ready'}.`, page, title));
  }
  for (const problem of problems)
    found.push(
      problem.startsWith('cluster_')
        ? bad(PROBLEM_WORDS[problem] ?? problem, 'cluster', 'Cluster')
        : bad(PROBLEM_WORDS[problem] ?? problem, 'access', 'Audit log'),
    );
  const days = certificate === null ? Infinity : (Date.parse(certificate.expires) - Date.parse(time)) / DAY_MS;
  if (days < 0) found.push(bad('The certificate has expired.', 'settings', 'Settings'));
  else if (days < CERTIFICATE_DAYS_MIN)
    found.push(watch(`The certificate expires in ${countText(Math.floor(days), 'day')}.`, 'settings', 'Settings'));
  return found;
}

function subscriptionFindings({ subscriptions, time }: HubStatus, history: StatusHistory): readonly Finding[] {
  const found: Finding[] = [];
  const suspended = subscriptions.states['suspended']?.count ?? 0;
  if (suspended > 0)
    found.push({
      ...bad(
        `${countText(suspended, 'subscription')} suspended: no delivery has succeeded for days.`,
        '',
        'Look at them',
      ),
      link: href('subscriptions', [], { state: 'suspended' }),
    });
  for (const { id, url, since } of subscriptions.failing.filter(({ state }) => state !== 'suspended').slice(0, 3))
    found.push({
      ...watch(
        `Deliveries to ${url ?? id} have failed for ${durationText((Date.parse(time) - Date.parse(since)) / 1000)}.`,
        '',
        'Its attempts',
      ),
      link: href('subscriptions', [id]),
    });
  const letters = sumSince(history, 'deadLetters', Date.parse(time) - DEAD_LETTERS_MS);
  if (letters > 0)
    found.push(watch(`${countText(letters, 'event')} became dead letters lately.`, 'subscriptions', 'Subscriptions'));
  const backlog = subscriptions.states['active']?.lagSecondsMax ?? 0;
  if (backlog > BACKLOG_SECONDS_MAX)
    found.push(
      watch(`A subscription waits for events of ${durationText(backlog)} ago.`, 'subscriptions', 'Subscriptions'),
    );
  return found;
}

function boundFindings(status: HubStatus, history: StatusHistory): readonly Finding[] {
  const { log, storage, process, sessions, limits, readers, time } = status;
  const found: Finding[] = [];
  const sinceMs = Date.parse(time) - RECENT_MS;
  const failed = sumSince(history, 'failed', sinceMs);
  if (failed > 0)
    found.push(bad(`${countText(failed, 'publish', 'publishes')} could not be stored.`, 'settings', 'Settings'));
  if (storage.freeBytes !== null && storage.sizeBytes !== null && storage.freeBytes < storage.sizeBytes * DISK_FREE_MIN)
    found.push(bad(`The disk has ${bytesText(storage.freeBytes)} left.`, 'settings', 'Settings'));
  if (log.queueBytes > log.queueBytesMax * NEAR_LIMIT)
    found.push(bad(`The disk is too slow: ${bytesText(log.queueBytes)} wait to be stored.`, 'settings', 'Settings'));
  if (log.channels >= limits.channelsMax)
    found.push(
      bad('The log has all channels that it may have: it refuses events of new ones.', 'channels', 'Channels'),
    );
  else if (log.channels > limits.channelsMax * NEAR_LIMIT)
    found.push(
      watch(
        `The log has ${numberText(log.channels)} of ${numberText(limits.channelsMax)} channels.`,
        'channels',
        'Channels',
      ),
    );
  const open = Object.values(sessions).reduce((sum, count) => sum + count, 0);
  if (open > limits.connectionsMax * NEAR_LIMIT)
    found.push(
      watch(
        `${numberText(open)} of ${numberText(limits.connectionsMax)} connections are open.`,
        'sessions',
        'Sessions',
      ),
    );
  if (
    process.openFiles !== null &&
    process.openFilesMax !== null &&
    process.openFiles > process.openFilesMax * NEAR_LIMIT
  )
    found.push(
      watch(
        `${numberText(process.openFiles)} of ${numberText(process.openFilesMax)} files are open.`,
        'settings',
        'Settings',
      ),
    );
  if (readers.lagEventsMax > LAG_EVENTS_MAX)
    found.push(watch(`A reader is ${numberText(readers.lagEventsMax)} events behind.`, 'sessions', 'Sessions'));
  const steps = Math.max(2, Math.ceil(LOOP_DELAY_LASTS_SECONDS / history.stepSeconds));
  const delays = newest(history, 'eventLoopDelay.p99Seconds', steps);
  if (delays.length === steps && delays.every((delay) => delay > LOOP_DELAY_SECONDS_MAX))
    found.push(
      watch(
        `The hub is busy: work waits up to ${durationText(Math.max(...delays))} for its turn.`,
        'overview',
        'Processor',
      ),
    );
  return found;
}

function bad(text: string, page: string, linkText: string): Finding {
  return { level: 'bad', text, link: href(page), linkText };
}

function watch(text: string, page: string, linkText: string): Finding {
  return { level: 'watch', text, link: href(page), linkText };
}
