/** Cursors, times and names of sessions differ from run to run; a page shows those of its writer. */
const VARIABLE =
  /(?<cursor>[0-9a-z]{10}-[0-9a-z]{11})|(?<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z)|(?<session>"session":"[\w-]+")|(?<date>\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)|(?<port>127\.0\.0\.1:8080)/g;

/** What the cursors on a page stand for in this run. */
export type Cursors = Map<string, string>;

/** A text of the page with the cursors of this run instead of its own. */
export function withCursors(text: string, cursors: Cursors): string {
  return text.replaceAll(VARIABLE, (whole) => cursors.get(whole) ?? whole);
}

/**
 * The first line of `expected` that is not, after those before it, in `printed`; undefined when all are. A line of `…`
 * stands for any lines. Learns which cursor of this run each cursor of the page is.
 */
export function missingLine(expected: string, printed: string, cursors: Cursors): string | undefined {
  const lines = printed.split('\n').map((line) => line.trimEnd());
  const learnt = new Map(cursors);
  let at = 0;
  for (const line of expected.split('\n').map((each) => each.trimEnd())) {
    if (line === '' || line === '…') continue;
    const found = lines.findIndex((each, index) => index >= at && matches(line, each, learnt));
    if (found < 0) return line;
    at = found + 1;
  }
  for (const [shown, real] of learnt) cursors.set(shown, real);
  return undefined;
}

function matches(shown: string, line: string, cursors: Cursors): boolean {
  const names: string[] = [];
  const pattern = shown
    .split(/(…)/)
    .map((part) => (part === '…' ? '.*' : patternOf(part, names)))
    .join('');
  const match = new RegExp(`^${pattern}$`).exec(line);
  if (match === null) return false;
  const found = names.map((name, index) => [name, match[index + 1] as string] as const);
  const agrees = found.every(([name, real]) => (cursors.get(name) ?? real) === real);
  if (agrees) for (const [name, real] of found) cursors.set(name, real);
  return agrees;
}

function patternOf(text: string, names: string[]): string {
  let pattern = '';
  let at = 0;
  for (const match of text.matchAll(VARIABLE)) {
    pattern += escaped(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (match.groups?.['cursor'] === undefined) pattern += '.+?';
    else {
      names.push(match[0]);
      pattern += '([0-9a-z]{10}-[0-9a-z]{11})';
    }
  }
  return pattern + escaped(text.slice(at));
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
