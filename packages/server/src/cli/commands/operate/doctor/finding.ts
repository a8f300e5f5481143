import type { Config } from '../../../../config/parse.ts';
import type { HubStatus } from '../../../../operate/hub-status.ts';
import type { HubAddress } from '../../../hub-address.ts';

/**
 * The result of one check of `polycast doctor`. Example: the check `fsync` has the result `warn`,
 * measured `median 24 ms`, and advice what to do.
 */
export interface Finding {
  readonly check: string;
  readonly result: Result;
  /** What was measured, for people. */
  readonly measured: string;
  /** What to do, or to know; absent when there is nothing. */
  readonly advice?: string;
}

/** `skipped`: the check does not apply here, or lacks something that `advice` names. */
export type Result = 'ok' | 'warn' | 'fail' | 'skipped';

/** What the checks know. */
export interface Patient {
  readonly config: Config;
  /** The path of the configuration file, if there is one. */
  readonly configFile: string | undefined;
  readonly hub: HubAddress;
  /** `undefined`: no hub answers, or it refuses its status. */
  readonly status: HubStatus | undefined;
  /** Why there is no status. */
  readonly refusal: string | undefined;
  /**
   * How far the hub's clock is ahead of this machine's for certain, in milliseconds. Negative:
   * behind. `undefined`: no status.
   */
  readonly clockOffsetMs: number | undefined;
  /** The hub runs on this machine. */
  readonly isLocal: boolean;
  /** The data folder on this machine; `undefined` for data in memory or on another machine. */
  readonly folder: string | undefined;
  /** The public URL of a proxy in front of the hub. */
  readonly through: string | undefined;
  /** How long to keep a stream open through the proxy. */
  readonly holdMs: number;
}

export type Check = (patient: Patient) => readonly Finding[] | Promise<readonly Finding[]>;

export function ok(check: string, measured: string): Finding {
  return { check, result: 'ok', measured };
}

/** All is well, and the reader should know something. */
export function note(check: string, measured: string, advice: string): Finding {
  return { check, result: 'ok', measured, advice };
}

export function warn(check: string, measured: string, advice: string): Finding {
  return { check, result: 'warn', measured, advice };
}

export function fail(check: string, measured: string, advice: string): Finding {
  return { check, result: 'fail', measured, advice };
}

export function skipped(check: string, measured: string, advice?: string): Finding {
  return { check, result: 'skipped', measured, ...(advice !== undefined && { advice }) };
}

/** The worst of all results. */
export function worst(findings: readonly Finding[]): 'ok' | 'warn' | 'fail' {
  const results = new Set(findings.map(({ result }) => result));
  return results.has('fail') ? 'fail' : results.has('warn') ? 'warn' : 'ok';
}
