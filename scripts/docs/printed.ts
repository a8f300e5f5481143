/** Epochs, times and names of sessions differ between runs; a page shows those of its author. */
const VARIABLE =
  /(?<cursor>[0-9a-z]{10}-[0-9a-z]{11})|(?<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z)|(?<session>"session":"[\w-]+")|(?<date>\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)|(?<port>127\.0\.0\.1:7400)/g;

/** The cursors of this run for those on a page. */
export type Cursors = Map<string, string>;

/** A text of the page with the cursors of this run. */
export function withCursors(text: string, cursors: Cursors): string {
  return text.replaceAll(VARIABLE, (whole) => cursors.get(whole) ?? whole);
}

/**
 * The first line of `expected` that does not follow the lines before it in `printed`; undefined if
 * all do. `…` stands for any text, on a line of its own for any lines. Records the cursor of this
 * run for each cursor of the page.
 */
export function missingLine(expected: string, printed: string, cursors: Cursors): string | undefined {
  const lines = printed.split('\n').map((line) => line.trimEnd());
  const wanted = expected
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && line !== '…');
  let furthest = 0;
  const bindings = matchFrom(0, 0, cursors);
  if (bindings === undefined) return wanted[furthest];
  for (const [shown, real] of bindings) cursors.set(shown, real);
  return undefined;

  /** Tries each matching line, because an `id:` may belong to another event. */
  function matchFrom(
    index: number,
    from: number,
    known: ReadonlyMap<string, string>,
  ): ReadonlyMap<string, string> | undefined {
    furthest = Math.max(furthest, index);
    const line = wanted[index];
    if (line === undefined) return known;
    for (let at = from; at < lines.length; at++) {
      const more = match(line, lines[at] as string, known);
      const all = more === undefined ? undefined : matchFrom(index + 1, at + 1, more);
      if (all !== undefined) return all;
    }
    return undefined;
  }
}

/** The known cursors if this line matches; undefined if it does not. */
function match(
  shown: string,
  line: string,
  known: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> | undefined {
  const names: string[] = [];
  const parts = shown.split(/(…)/).map((part) => (part === '…' ? '.*' : patternOf(part, names)));
  const found = new RegExp(`^${parts.join('')}$`).exec(line);
  if (found === null) return undefined;
  const learnt = new Map(known);
  for (const [index, name] of names.entries()) {
    const real = found[index + 1] as string;
    const bound = learnt.get(name);
    // Equal cursors of the page are equal in this run, and different ones are different.
    if (bound === undefined ? [...learnt.values()].includes(real) : bound !== real) return undefined;
    learnt.set(name, real);
  }
  return learnt;
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
      // A position is the same in every run, so another position on the page is an error.
      pattern += `([0-9a-z]{10}-${match[0].slice(-11)})`;
    }
  }
  return pattern + escaped(text.slice(at));
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
