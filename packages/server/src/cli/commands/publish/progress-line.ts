import { groupDigits } from '../../../core/primitives/english.ts';
import type { Terminal } from '../../terminal.ts';

export interface ProgressStats {
  /** The completed fraction, 0 to 1; undefined when the total is unknown. */
  readonly fraction: number | undefined;
  readonly results: number;
  readonly refused: number;
  readonly seconds: number;
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const BAR_COLUMNS_MAX = 40;

/** One line that fits the terminal: bar, percentage, events, rate, refusals, time left. */
export function progressLine(
  stats: ProgressStats,
  { columns, noticeStyle }: Pick<Terminal, 'columns' | 'noticeStyle'>,
): string {
  const { fraction, results, refused, seconds } = stats;
  const rate = seconds > 0 ? Math.round(results / seconds) : 0;
  const counts = `${groupDigits(results)} events  ${groupDigits(rate)}/s`;
  const refusals = refused > 0 ? `  ${groupDigits(refused)} refused` : '';
  if (fraction === undefined) return (counts + refusals).slice(0, columns - 1);
  const percent = `${Math.floor(Math.min(1, fraction) * 100)}`.padStart(3);
  const tail = `${percent} %  ${counts}${refusals}${remaining(fraction, seconds)}`;
  const barColumns = Math.min(BAR_COLUMNS_MAX, columns - tail.length - 3);
  if (barColumns < 8) return tail.slice(0, columns - 1);
  return `${bar(fraction, barColumns, noticeStyle)} ${tail}`;
}

function bar(fraction: number, columns: number, noticeStyle: Terminal['noticeStyle']): string {
  const eighths = Math.round(Math.min(1, fraction) * columns * 8);
  const filled = '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7];
  return noticeStyle('green', filled) + noticeStyle('dim', '░'.repeat(columns - filled.length));
}

function remaining(fraction: number, seconds: number): string {
  if (fraction <= 0 || fraction >= 1 || seconds < 1) return '';
  const left = Math.ceil((seconds / fraction) * (1 - fraction));
  return left < 60 ? `  ${left} s left` : `  ${Math.floor(left / 60)} min ${left % 60} s left`;
}
