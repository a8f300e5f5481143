import { closestMatch } from '../core/primitives/closest-match.ts';
import { templateText } from './route.ts';

/**
 * The detail of the refusal of an unknown path. It names the path of a route that the caller most
 * likely intended. Example: `/v1/events` for `/v1/event`, `/events` and `/v1/event/`.
 *
 * Anybody may send any path, so the refusal must stay cheap. At most one segment may differ, and
 * only words of about its length are compared.
 */
export class PathAdvice {
  /** The segments of the paths of routes: `['', 'v1', 'channels', ':channel', 'events']`. */
  readonly #templates: (readonly string[])[] = [];
  #hasDocument = false;

  /** @param path of a route that the hub describes */
  add(path: string): void {
    this.#templates.push(path.split('/'));
    this.#hasDocument ||= path === DOCUMENT_PATH;
  }

  textFor(path: string): string {
    const nearest = path.length > PATH_LENGTH_MAX ? undefined : this.#nearest(path);
    if (nearest !== undefined) return `No route has this path; did you mean ${templateText(nearest.join('/'))}?`;
    return this.#hasDocument ? `No route has this path. ${DOCUMENT_PATH} lists all routes.` : 'No route has this path.';
  }

  #nearest(path: string): readonly string[] | undefined {
    const given = path.replace(/\/+$/, '').split('/');
    const hasVersion = given[1] === 'v1';
    const asked = hasVersion ? given : ['', 'v1', ...given.slice(1)];
    /** For each place of a segment, the words that would make the path that of a route. */
    const words = new Map<number, Map<string, readonly string[]>>();
    for (const template of this.#templates) {
      if (template.length !== asked.length) continue;
      const [place, another] = wrongPlaces(template, asked);
      if (place === undefined) return template;
      const word = template[place] ?? '';
      const lengthDifference = Math.abs(word.length - (asked[place] ?? '').length);
      if (!hasVersion || another !== undefined || lengthDifference > LENGTH_DIFFERENCE_MAX) continue;
      const wordsHere = words.get(place);
      if (wordsHere === undefined) words.set(place, new Map([[word, template]]));
      else wordsHere.set(word, template);
    }
    for (const [place, wordsHere] of words) {
      const word = closestMatch(asked[place] ?? '', [...wordsHere.keys()]);
      if (word !== undefined) return wordsHere.get(word);
    }
    return undefined;
  }
}

/** The places where a path has another word than the template. */
function wrongPlaces(template: readonly string[], asked: readonly string[]): number[] {
  const wrong: number[] = [];
  for (const [place, segment] of template.entries())
    if (segment.startsWith(':') ? asked[place] === '' : segment !== asked[place]) wrong.push(place);
  return wrong;
}

const DOCUMENT_PATH = '/openapi.json';
const PATH_LENGTH_MAX = 128;
const LENGTH_DIFFERENCE_MAX = 3;
