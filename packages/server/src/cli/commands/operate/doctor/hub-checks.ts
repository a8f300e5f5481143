import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { isLoopback, parseListen } from '../../../../config/listen.ts';
import { portHolder } from '../../../port-holder.ts';
import { formatCount, formatCounted, formatDuration } from '../../../quantities.ts';
import { fail, ok, skipped, warn, type Check, type Finding } from './finding.ts';

const CONNECT_TIMEOUT_MS = 2000;
/** A reader this far behind, in events, is worth a look. */
const READER_LAG_WARN = 100_000;
const SUBSCRIPTION_LAG_WARN_SECONDS = 3600;

/** Whether a hub answers, or its port is free for one. */
export const reachable: Check = async ({ hub: { url }, config, folder, status, refusal }) => {
  if (status !== undefined) {
    const state = `${url} answers, up ${formatDuration(status.uptimeSeconds)}`;
    if (!status.ready)
      return [
        fail(
          'hub',
          `${state}, not ready: ${status.why}`,
          'The log of the hub names the reason; with log_full, free disk space.',
        ),
      ];
    return [ok('hub', state)];
  }
  const port = Number(new URL(url).port) || (url.startsWith('https:') ? 443 : 80);
  const { hostname } = new URL(url);
  if (await isOpen(hostname, port)) {
    const holder = portHolder(port);
    return [
      fail(
        'hub',
        `${url} accepts connections${holder === undefined ? '' : ` (${holder})`}: ${refusal}`,
        'If it is a hub, give a key with the scope admin (--key). If it is another program, use another port.',
      ),
    ];
  }
  const own = parseListen(config.listen);
  const isItsOwn = own !== undefined && own.port === port && isLoopback(hostname);
  if (!isItsOwn)
    return [
      fail(
        'hub',
        `${url} does not answer`,
        'Start the hub, or name another one with --url. Between two machines, look at the firewall.',
      ),
    ];
  const start = 'Start the hub with polycast dev (this machine) or polycast serve, or name another one with --url.';
  // The hub makes its folder when it first starts.
  const hasStarted = folder === undefined || existsSync(folder);
  return [
    hasStarted
      ? fail('hub', `${url} does not answer; the port is free`, start)
      : warn('hub', `${url} does not answer; no hub has started in ${folder} yet`, start),
  ];
};

function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, timeout: CONNECT_TIMEOUT_MS });
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket
      .on('connect', () => end(true))
      .on('error', () => end(false))
      .on('timeout', () => end(false));
  });
}

/** What the hub itself has found. */
export const health: Check = ({ status }) => {
  if (status === undefined) return [skipped('log', 'the status of the hub is not known')];
  const { problems, log } = status;
  const findings: Finding[] = problems.map((problem) =>
    fail('health', problem, ADVICE[problem] ?? 'docs/guides/operating.md says what it means.'),
  );
  findings.push(
    log.damagedRanges > 0
      ? fail(
          'log',
          formatCounted(log.damagedRanges, 'damaged range'),
          'Readers get a gap there. Check the disk, and restore a backup if you need these events.',
        )
      : ok('log', `${formatCounted(log.events, 'event')}, no damage found`),
  );
  return findings;
};

const ADVICE: Readonly<Record<string, string>> = {
  log_damaged:
    'Some stored events cannot be read. Check the disk with smartctl, and restore a backup if you need them.',
  identity_incomplete:
    'After a crash, changes of keys or revocations were missing. Compare polycast keys list with what you expect.',
  subscriptions_incomplete:
    'After a crash, changes of subscriptions were missing. Compare polycast subscriptions list with what you expect.',
};

/** Consumers that do not receive their events. */
export const deliveries: Check = ({ status }) => {
  if (status === undefined) return [skipped('deliveries', 'the status of the hub is not known')];
  const { subscriptions, readers } = status;
  const { failing, states, deadLetters } = subscriptions;
  const findings: Finding[] = failing.map(({ id, state, url, since, lagEvents }) => {
    const measured = `${id} (${url ?? 'pull'}) is ${state}, failing since ${since}, ${formatCounted(lagEvents, 'event')} behind`;
    return state === 'suspended'
      ? fail('webhooks', measured, `Mend the endpoint, then: polycast subscriptions resume ${id}`)
      : warn('webhooks', measured, `See why: polycast subscriptions attempts ${id}`);
  });
  const lateSeconds = states['active']?.lagSecondsMax ?? 0;
  if (lateSeconds > SUBSCRIPTION_LAG_WARN_SECONDS)
    findings.push(
      warn(
        'webhooks',
        `a subscription is ${formatDuration(lateSeconds)} behind`,
        'See which: polycast subscriptions list',
      ),
    );
  if (deadLetters > 0)
    findings.push(
      warn(
        'dead letters',
        `${formatCount(deadLetters)} since the start`,
        'Read and retry them: polycast subscriptions dead-letters ID',
      ),
    );
  if (readers.lagEventsMax > READER_LAG_WARN)
    findings.push(
      warn('readers', `the slowest is ${formatCounted(readers.lagEventsMax, 'event')} behind`, 'See who: polycast top'),
    );
  if (findings.length > 0) return findings;
  const active = states['active']?.count ?? 0;
  return [
    ok(
      'deliveries',
      `${formatCounted(active, 'active subscription')}, ${formatCounted(readers.count, 'reader')}, none fails`,
    ),
  ];
};
