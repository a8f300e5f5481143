import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '../../../../config/config-error.ts';
import { defaultConfig, type Config } from '../../../../config/parse.ts';
import type { HubStatus } from '../../../../operate/hub-status.ts';
import { dataFolderOf } from '../../../../storage/data-setting.ts';
import type { Input } from '../../../command.ts';
import { CliError, type ExitName } from '../../../exit-codes.ts';
import { hubAddress, type HubAddress } from '../../../hub-address.ts';
import { hubConfig } from '../../../hub-config.ts';
import { formatCounted } from '../../../quantities.ts';
import { pasteable } from '../../../pasteable.ts';
import { printable, type Terminal } from '../../../terminal.ts';
import { readStatus } from '../status.ts';
import { certificates } from './certificate-checks.ts';
import { freeSpace, permissions, syncSpeed } from './disk-checks.ts';
import { fail, note, ok, worst, type Check, type Finding, type Patient, type Result } from './finding.ts';
import { deliveries, health, reachable } from './hub-checks.ts';
import { clock, openFiles, versions } from './machine-checks.ts';
import { proxy } from './proxy-checks.ts';

const STATUS_TIMEOUT_MS = 10_000;

/** All checks, in the order in which they are shown. */
const CHECKS: readonly Check[] = [
  versions,
  reachable,
  health,
  deliveries,
  openFiles,
  clock,
  syncSpeed,
  freeSpace,
  permissions,
  certificates,
  proxy,
];

const EXITS: Readonly<Record<ReturnType<typeof worst>, ExitName>> = { ok: 'done', warn: 'warned', fail: 'failed' };

/**
 * Runs all checks, shows each finding as soon as it is there, and returns the exit code of the
 * worst one.
 */
export async function examine(input: Input, terminal: Terminal): Promise<ExitName> {
  const findings: Finding[] = [];
  const show = (found: readonly Finding[]): void => {
    findings.push(...found);
    if (!input.flag('json')) for (const finding of found) showFinding(finding, terminal);
  };
  const { config, finding } = await readConfig(input);
  show([finding]);
  const patient = await patientOf(input, config);
  for (const check of CHECKS) show(await check(patient));
  const result = worst(findings);
  if (input.flag('json')) terminal.out(JSON.stringify({ result, findings }));
  else terminal.out(summary(findings));
  return EXITS[result];
}

/** An invalid configuration is a finding; the other checks then use the defaults. */
async function readConfig(input: Input): Promise<{ readonly config: Config; readonly finding: Finding }> {
  try {
    const { config, origins } = await hubConfig(input);
    if (configFileOf(input) === undefined && origins.size === 0)
      return {
        config,
        finding: note('configuration', 'no file given: defaults checked', "Give the hub's own with --config FILE."),
      };
    return { config, finding: ok('configuration', `valid, ${formatCounted(origins.size, 'field')} set`) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const file = input.text('config');
    const check = `polycast config check${file === undefined ? '' : ` --config ${file}`}`;
    const advice = `The checks below use the defaults. See all problems: ${check}`;
    return { config: defaultConfig(), finding: fail('configuration', error.message.split('\n').join('; '), advice) };
  }
}

function configFileOf(input: Input): string | undefined {
  return input.text('config') ?? process.env['POLYCAST_CONFIG'];
}

async function patientOf(input: Input, config: Config): Promise<Patient> {
  const hub = hubAddress(input);
  const beforeMs = Date.now();
  const found = await statusOf(hub);
  const status = typeof found === 'string' ? undefined : found;
  const afterMs = Date.now();
  const isLocal = status !== undefined && runsHere(status);
  return {
    config,
    configFile: configFileOf(input),
    hub,
    status,
    refusal: typeof found === 'string' ? found : undefined,
    clockOffsetMs: status === undefined ? undefined : certainOffset(Date.parse(status.time), beforeMs, afterMs),
    isLocal,
    folder: folderOf(config, status, isLocal),
    through: input.text('through') === undefined ? undefined : throughUrl(input),
    holdMs: (input.number('hold', 1) ?? 0) * 1000,
  };
}

/**
 * How far another clock is off for certain, in milliseconds. It was read between two local times.
 * Example: 5 s that was read between 4 s and 9 s shows no offset, however slow the answer was.
 */
export function certainOffset(timeMs: number, beforeMs: number, afterMs: number): number {
  return timeMs - Math.min(Math.max(timeMs, beforeMs), afterMs);
}

/** The status of the hub, or why there is none. */
async function statusOf(hub: HubAddress): Promise<HubStatus | string> {
  try {
    return await readStatus(hub, AbortSignal.timeout(STATUS_TIMEOUT_MS));
  } catch (error) {
    if (error instanceof CliError) return error.message;
    throw error;
  }
}

function throughUrl(input: Input): string {
  return hubAddress({ ...input, text: (option) => input.text(option === 'url' ? 'through' : option) }).url;
}

/** A hub on this machine has its data folder here, and its process. */
function runsHere({ process: { pid }, storage: { folder } }: HubStatus): boolean {
  return (folder === null || existsSync(folder)) && existsSync(`/proc/${pid}`);
}

/** The running hub knows its folder best: a relative one depends on where the hub was started. */
function folderOf(config: Config, status: HubStatus | undefined, isLocal: boolean): string | undefined {
  if (status !== undefined) return isLocal ? (status.storage.folder ?? undefined) : undefined;
  const folder = dataFolderOf(config.data);
  return folder === undefined ? undefined : resolve(folder);
}

const STYLES: Readonly<Record<Result, Parameters<Terminal['style']>[0]>> = {
  ok: 'green',
  warn: 'yellow',
  fail: 'red',
  skipped: 'dim',
};

function showFinding({ check, result, measured, advice }: Finding, { out, style }: Terminal): void {
  const label = style(STYLES[result], result === 'skipped' ? '-   ' : result.padEnd(4));
  out(`${label}  ${style('bold', check.padEnd(15))}  ${printable(measured)}`);
  if (advice !== undefined) out(`${' '.repeat(23)}${style('dim', pasteable(printable(advice)))}`);
}

function summary(findings: readonly Finding[]): string {
  const count = (result: Result): number => findings.filter((finding) => finding.result === result).length;
  const [failures, warnings] = [count('fail'), count('warn')];
  if (failures + warnings === 0) return `All is well: ${count('ok')} checks.`;
  return `${formatCounted(failures, 'failure')}, ${formatCounted(warnings, 'warning')}, ${formatCounted(count('ok'), 'check')} without a finding.`;
}
