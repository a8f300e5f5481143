import { groupDigits } from '../core/primitives/english.ts';

/** Numbers for people, each in a few characters: `12,034`, `1.2 GB`, `3 d 4 h`. */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;
const DURATION_UNITS = [
  { name: 'd', seconds: 86_400 },
  { name: 'h', seconds: 3600 },
  { name: 'min', seconds: 60 },
  { name: 's', seconds: 1 },
] as const;

export function formatCount(count: number): string {
  return groupDigits(Math.round(count));
}

/** `1 warning`, `2,000 warnings`. */
export function formatCounted(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(count)} ${Math.round(count) === 1 ? singular : plural}`;
}

/** `850 kB`, `1.2 GB`: in units of 1,000. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < BYTE_UNITS.length - 1; unit++) value /= 1000;
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${BYTE_UNITS[unit]}`;
}

/** The two greatest units: `3 d 4 h`, `12 s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  const first = DURATION_UNITS.findIndex((unit) => whole >= unit.seconds);
  if (first === -1) return '0 s';
  const [unit, next] = DURATION_UNITS.slice(first);
  if (unit === undefined) return '0 s';
  const rest = next === undefined ? 0 : Math.floor((whole % unit.seconds) / next.seconds);
  return `${Math.floor(whole / unit.seconds)} ${unit.name}${rest === 0 ? '' : ` ${rest} ${next?.name}`}`;
}

/** `38 %`, of a part in a whole. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${Math.round((part / whole) * 100)} %`;
}
/** `850 µs`, `4.2 ms`, `1.5 s`. */
export function formatMs(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}
