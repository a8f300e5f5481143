/**
 * Draws a sequence diagram in Mermaid's language as SVG inside the page. It is drawn when the site
 * is built, so a page loads no program for it, and it has the colours of the theme
 * (`diagrams.css`). GitHub draws the same source by itself. On a phone, where the drawing would be
 * illegible or cut, the page shows its steps as a list instead.
 *
 *     sequenceDiagram
 *       participant B as Browser
 *       B->>Hub: GET /v1/events
 *       Hub-->>B: 200
 *       Note over Hub: an event is published
 */
export function diagram(source: string): string {
  const { actors, steps } = parse(source);
  const columns = columnsOf(actors, steps);
  const x = (id: string): number => columns[actors.findIndex((actor) => actor.id === id)] as number;
  // A note may be wider than what is below it.
  const notes = steps.filter(({ kind }) => kind === 'note').map((note) => noteExtent(note, x));
  const left = Math.min(0, ...notes.map(([start]) => start - MARGIN));
  const lastBox = (columns.at(-1) ?? 0) + boxWidth(actors.at(-1)?.name ?? '') / 2;
  const width = Math.max(lastBox, ...notes.map(([, end]) => end)) + MARGIN - left;
  const height = TOP + (steps.length - 1) * STEP_HEIGHT + 16;
  const parts = [
    ...actors.map(({ id }) => line('lifeline', x(id), BOX_HEIGHT, x(id), height)),
    ...actors.map(({ id, name }) => box('actor', x(id), 0, boxWidth(name), BOX_HEIGHT, name)),
    ...steps.map((step, index) => draw(step, TOP + index * STEP_HEIGHT, x)),
  ];
  const label = steps.map(({ text }) => escapeHtml(text)).join('; ');
  const view = `viewBox="${left} 0 ${width} ${height}" width="${width}"`;
  const svg = `<svg ${view} role="img" aria-label="${label}">${parts.join('')}</svg>`;
  return `<figure class="diagram" tabindex="0" v-pre>${svg}${stepList({ actors, steps })}</figure>`;
}

/** `Client → Hub` and what is sent, for each message; a note has one actor or two. */
function stepList({ actors, steps }: Diagram): string {
  const name = (id: string): string => escapeHtml(actors.find((actor) => actor.id === id)?.name ?? id);
  const items = steps.map(({ kind, from, to, text }) => {
    const between = from === to ? name(from) : `${name(from)} ${kind === 'note' ? 'and' : '→'} ${name(to)}`;
    return `<li class="step-${kind}"><b>${between}</b> ${escapeHtml(text)}</li>`;
  });
  return `<ol>${items.join('')}</ol>`;
}

interface Actor {
  readonly id: string;
  readonly name: string;
}

/** A message from one actor to another, or a note over one to two actors. */
interface Step {
  readonly kind: 'request' | 'answer' | 'note';
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

interface Diagram {
  readonly actors: readonly Actor[];
  readonly steps: readonly Step[];
}

const PARTICIPANT = /^participant (\w+)(?: as (.+))?$/;
const MESSAGE = /^(\w+)(--?)>>(\w+): (.+)$/;
const NOTE = /^Note over (\w+)(?:, ?(\w+))?: (.+)$/;

/** @throws Error at a line of another kind */
function parse(source: string): Diagram {
  const actors = new Map<string, Actor>();
  const steps: Step[] = [];
  const add = (id: string, name = id): void => void (actors.has(id) || actors.set(id, { id, name }));
  for (const text of source.split('\n').map((each) => each.trim())) {
    const [participant, message, note] = [PARTICIPANT.exec(text), MESSAGE.exec(text), NOTE.exec(text)];
    if (participant !== null) add(participant[1] as string, participant[2]);
    else if (message !== null) {
      const [, from = '', dashes, to = '', words = ''] = message;
      steps.push({ kind: dashes === '-' ? 'request' : 'answer', from, to, text: words });
    } else if (note !== null) {
      const [, from = '', to = from, words = ''] = note;
      steps.push({ kind: 'note', from, to, text: words });
    } else if (text !== '' && text !== 'sequenceDiagram')
      throw new Error(`a diagram has a line of no known kind: ${text}`);
  }
  for (const id of steps.flatMap(({ from, to }) => [from, to])) add(id);
  return { actors: [...actors.values()], steps };
}

const BOX_HEIGHT = 34;
const TOP = 70;
const STEP_HEIGHT = 44;
const MARGIN = 2;
/** The average width of a character at the sizes of `diagrams.css`. */
const CHARACTER_WIDTH = 6.6;

/** The middle of each actor. Neighbours are as far apart as the texts between them need. */
function columnsOf(actors: readonly Actor[], steps: readonly Step[]): number[] {
  const at = (id: string): number => actors.findIndex((actor) => actor.id === id);
  const columns = [MARGIN + boxWidth(actors[0]?.name ?? '') / 2];
  for (let right = 1; right < actors.length; right++) {
    const boxes = (boxWidth(actors[right - 1]?.name ?? '') + boxWidth(actors[right]?.name ?? '')) / 2 + 28;
    let place = (columns[right - 1] as number) + boxes;
    for (const { kind, from, to, text } of steps) {
      const [first, last] = [Math.min(at(from), at(to)), Math.max(at(from), at(to))];
      if (last === right && first < right && kind !== 'note')
        place = Math.max(place, (columns[first] as number) + textWidth(text) + 28);
    }
    columns.push(place);
  }
  return columns;
}

function draw({ kind, from, to, text }: Step, y: number, x: (id: string) => number): string {
  const [left, right] = [x(from), x(to)];
  const middle = (left + right) / 2;
  if (kind === 'note') {
    const [start, end] = noteExtent({ from, to, text }, x);
    return box('note', middle, y - 24, end - start, 28, text);
  }
  const head = right > left ? -8 : 8;
  const arrow = `<path class="head" d="M${right} ${y}l${head} -4v8z"/>`;
  return `${words('message', middle, y - 8, text)}${line(kind, left, y, right, y)}${arrow}`;
}

/** Where a note begins and ends: over its actors, and wide enough for its text. */
function noteExtent({ from, to, text }: Omit<Step, 'kind'>, x: (id: string) => number): readonly [number, number] {
  const middle = (x(from) + x(to)) / 2;
  const half = Math.max(textWidth(text) + 24, Math.abs(x(to) - x(from))) / 2;
  return [middle - half, middle + half];
}

function box(name: string, x: number, y: number, width: number, height: number, text: string): string {
  const rectangle = `<rect class="${name}" x="${x - width / 2}" y="${y + 1}" width="${width}" height="${height - 2}" rx="6"/>`;
  return rectangle + words(`${name}-name`, x, y + height / 2 + 4.5, text);
}

function line(name: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<path class="${name}" d="M${x1} ${y1}L${x2} ${y2}"/>`;
}

function words(name: string, x: number, y: number, text: string): string {
  return `<text class="${name}" x="${x}" y="${y}">${escapeHtml(text)}</text>`;
}

function boxWidth(name: string): number {
  return Math.max(96, textWidth(name) + 32);
}

function textWidth(text: string): number {
  return Math.ceil(text.length * CHARACTER_WIDTH);
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
