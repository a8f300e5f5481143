import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { release, type } from 'node:os';
import { connectionsWithin, openFilesMax, OWN_FILES } from '../../../../operate/host-resources.ts';
import { isLoopback } from '../../../../config/listen.ts';
import { packageVersion } from '../../../../platform/package-files.ts';
import { formatCount, formatMs } from '../../../quantities.ts';
import { fail, note, ok, warn, type Check, type Finding, type Patient } from './finding.ts';

/** From this share of the limit on, new connections will soon fail. */
const FILES_SHARE_MAX = 0.9;
const NODE_MAJOR_MIN = 24;
const OFFSET_WARN_MS = 1000;
/** Tokens are refused from here on, even with a generous leeway. */
const OFFSET_FAIL_MS = 30_000;

export const versions: Check = ({ status }) => {
  const own = packageVersion();
  const local = `polycast ${own}, Node.js ${process.versions.node}, SQLite ${process.versions['sqlite']}, ${type()} ${release()}`;
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN)
    return [fail('versions', local, `Use Node.js ${NODE_MAJOR_MIN} or later.`)];
  if (status === undefined) return [ok('versions', local)];
  const remote = `hub ${status.version}, Node.js ${status.nodeVersion}, SQLite ${status.sqliteVersion}`;
  return status.version === own
    ? [ok('versions', `${local}; ${remote}`)]
    : [warn('versions', `${local}; ${remote}`, 'Use the same version of the command line and of the hub.')];
};

/** Each connection is an open file, so the limit of open files bounds the connections. */
export const openFiles: Check = (patient) => {
  const { config, status } = patient;
  const limit = status === undefined ? openFilesMax() : (status.process.openFilesMax ?? undefined);
  if (limit === undefined) return [ok('open files', 'no limit is known')];
  // An earlier hub does not tell what is configured, and takes it all.
  const connectionsMax =
    status === undefined
      ? config.limits.connectionsMax
      : (status.limits.connectionsMaxConfigured ?? status.limits.connectionsMaxPerProcess);
  const accepted = status?.limits.connectionsMaxPerProcess ?? connectionsWithin(limit, config.outgoing.connectionsMax);
  const needed = connectionsMax + config.outgoing.connectionsMax + OWN_FILES;
  const whose =
    status === undefined ? 'of this shell' : `of the hub, ${formatCount(status.process.openFiles ?? 0)} open`;
  const fewer = accepted < connectionsMax ? `, so the hub takes ${formatCount(accepted)}` : '';
  const measured = `limit ${formatCount(limit)} ${whose}; ${formatCount(needed)} for ${formatCount(connectionsMax)} connections${fewer}`;
  const advice = `Raise the limit: LimitNOFILE=${needed} in a systemd unit, ulimit -n ${needed} in a shell; or lower limits.connectionsMax.`;
  if ((status?.process.openFiles ?? 0) > limit * FILES_SHARE_MAX) return [fail('open files', measured, advice)];
  if (limit >= needed) return [ok('open files', measured)];
  return [isForDevelopment(patient) ? note('open files', measured, advice) : warn('open files', measured, advice)];
};

/** A hub on this machine without access control: it tells its status without a key. */
function isForDevelopment({ hub: { url, key }, status }: Patient): boolean {
  return status !== undefined && key === undefined && isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ''));
}

/** Tokens, retention and certificates depend on the clock. */
export const clock: Check = (patient) => {
  const synchronized = isSynchronized();
  const findings: Finding[] = [offset(patient)].filter((finding) => finding !== undefined);
  if (synchronized === false)
    findings.push(
      warn('clock', 'not synchronized', 'Run chrony or systemd-timesyncd: tokens and retention need the right time.'),
    );
  if (findings.length === 0)
    findings.push(ok('clock', synchronized === true ? 'synchronized' : 'its synchronization is not known here'));
  return findings;
};

function offset({ clockOffsetMs }: Patient): Finding | undefined {
  if (clockOffsetMs === undefined) return undefined;
  const distanceMs = Math.abs(clockOffsetMs);
  if (distanceMs === 0) return ok('clock', 'the hub and this machine have the same time');
  const measured = `the hub is ${formatMs(distanceMs)} ${clockOffsetMs < 0 ? 'behind' : 'ahead of'} this machine`;
  if (distanceMs < OFFSET_WARN_MS) return ok('clock', measured);
  const advice = 'Synchronize both clocks by NTP. A hub with a wrong clock refuses valid tokens.';
  return distanceMs < OFFSET_FAIL_MS ? warn('clock', measured, advice) : fail('clock', measured, advice);
}

/** What systemd says of the clock of this machine; `undefined` without systemd. */
function isSynchronized(): boolean | undefined {
  if (existsSync('/run/systemd/timesync/synchronized')) return true;
  try {
    const text = execFileSync('timedatectl', ['show', '--property=NTPSynchronized', '--value'], {
      encoding: 'utf8',
      timeout: 2000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.trim() === 'yes';
  } catch {
    return undefined;
  }
}
