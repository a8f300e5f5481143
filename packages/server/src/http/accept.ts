/**
 * Content negotiation by `Accept` (RFC 9110 section 12.5.1). Example: `text/event-stream,
 * application/json;q=0.5` prefers an event stream.
 */

interface MediaRange {
  readonly type: string;
  readonly weight: number;
  /** 2 for `text/html`, 1 for `text/*`, 0 for the range of all types. */
  readonly specificity: number;
}

/**
 * The available media type with the greatest weight. "The most specific reference has precedence":
 * `text/event-stream;q=0` takes precedence over `*`+`/*`. Ties go to the more specific range, then
 * to the first in the header, then to the first available.
 * @returns `undefined` when none is accepted
 */
export function preferredType<Type extends string>(accept: string, available: readonly Type[]): Type | undefined {
  const ranges = accept.toLowerCase().split(',').map(parseRange);
  let best: { readonly type: Type; readonly range: MediaRange; readonly at: number } | undefined;
  for (const type of available) {
    let at = -1;
    for (const [index, range] of ranges.entries())
      if (covers(range.type, type) && (at < 0 || range.specificity > (ranges[at] as MediaRange).specificity))
        at = index;
    const range = ranges[at];
    if (range === undefined || range.weight === 0) continue;
    if (best === undefined || isPreferred(range, at, best.range, best.at)) best = { type, range, at };
  }
  return best?.type;
}

function isPreferred(range: MediaRange, rangeIndex: number, other: MediaRange, otherIndex: number): boolean {
  if (range.weight !== other.weight) return range.weight > other.weight;
  if (range.specificity !== other.specificity) return range.specificity > other.specificity;
  return rangeIndex < otherIndex;
}

function parseRange(text: string): MediaRange {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim());
  const weight = parameters.find((parameter) => /^q\s*=/.test(parameter))?.replace(/^q\s*=\s*/, '');
  const precision = name === '*/*' ? 0 : name.endsWith('/*') ? 1 : 2;
  // An invalid weight counts as 1.
  return {
    type: name,
    specificity: precision,
    weight: weight === undefined || !/^[01](?:\.\d*)?$/.test(weight) ? 1 : Number(weight),
  };
}

function covers(range: string, type: string): boolean {
  return range === type || range === '*/*' || (range.endsWith('/*') && type.startsWith(range.slice(0, -1)));
}
