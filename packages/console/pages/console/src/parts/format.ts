const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/**
 * The first formatter of a browser's process reads tables for 20 ms. So formatters are made when
 * they are needed, and not in the long task that evaluates this page's script.
 */
const wholeNumber = once(() => new Intl.NumberFormat('en', { maximumFractionDigits: 0 }));
const smallNumber = once(() => new Intl.NumberFormat('en', { maximumSignificantDigits: 3 }));

/** `12,345`, `3.21`. */
export function numberText(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return Math.abs(value) < 100 && !Number.isInteger(value) ? smallNumber().format(value) : wholeNumber().format(value);
}

/** `1.23 MB`. */
export function bytesText(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined || Number.isNaN(bytes)) return '–';
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${smallNumber().format(bytes / 1000 ** power)} ${UNITS[power]}`;
}

/** `250 µs`, `12 ms`, `3.5 s`, `2 h 5 min`. */
export function durationText(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  if (seconds < 0.001) return `${smallNumber().format(seconds * 1e6)} µs`;
  if (seconds < 1) return `${smallNumber().format(seconds * 1000)} ms`;
  if (seconds < 60) return `${smallNumber().format(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** `1 event`, `2 events`. */
export function countText(count: number, one: string, many: string = `${one}s`): string {
  return `${numberText(count)} ${count === 1 ? one : many}`;
}

/** The local time of an event, with the date unless it is today: `14:02:11.123`. */
export function timeText(time: string | number, now: Date = new Date()): string {
  const date = new Date(time);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
  return date.toDateString() === now.toDateString()
    ? clock
    : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock.slice(0, 8)}`;
}

/** Makes a value at its first use. */
function once<Value>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => (value ??= make());
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/**
 * Any JSON value as text. Characters that change the direction of the text after them are escaped:
 * otherwise an event could show another text than the one that it has.
 * @param indent spaces for each level; without it, one line
 */
export function jsonText(value: unknown, indent?: number): string {
  return (JSON.stringify(value, null, indent) ?? '').replace(
    /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Any JSON value in one line of at most this many characters. */
export function jsonLine(value: unknown, lengthMax: number): string {
  const text = jsonText(value);
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
}
