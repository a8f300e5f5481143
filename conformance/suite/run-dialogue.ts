import { withoutChunks } from '../kit/wire/chunks.ts';
import { publish } from '../kit/http.ts';
import { rawSocket, type RawSocket } from '../kit/wire/raw-socket.ts';
import { until } from '../kit/wait.ts';
import type { Dialogue, Captures, Observer } from './case.ts';
import { fill, matchesText } from './placeholders.ts';

const TIMEOUT_MS = 30_000;

/**
 * Sends and compares line by line. Header lines may be in any order, with others among them. After
 * the empty line every line counts, except those of a heartbeat that is not expected. On a machine
 * that pauses, one may come between any two events.
 * @throws Error
 */
export async function runDialogue(
  { http }: Dialogue,
  hub: string,
  captures: Captures,
  observe?: Observer,
): Promise<void> {
  const raw = await rawSocket(hub);
  const lines = new Lines(raw);
  try {
    for (const turn of http) {
      if ('send' in turn) raw.send(`${fill(turn.send, captures)}\r\n`);
      else if ('publish' in turn) await publish(hub, fill(turn.publish, captures));
      else if ('close' in turn) await raw.closes(TIMEOUT_MS);
      else await lines.expect(turn.receive, captures);
    }
    observe?.({ transport: 'http', from: 'hub', text: textOf(raw) });
  } finally {
    raw.destroy();
  }
}

/** The answer so far, without the framing of chunks. */
function textOf(raw: RawSocket): string {
  return Buffer.from(withoutChunks(raw.text), 'latin1').toString('utf8');
}

class Lines {
  readonly #raw: RawSocket;
  #read = 0;
  #headers: string[] | undefined = undefined;
  #isBody = false;

  constructor(raw: RawSocket) {
    this.#raw = raw;
  }

  async expect(template: string, captures: Captures): Promise<void> {
    if (this.#isBody || this.#headers === undefined) {
      const endMs = performance.now() + TIMEOUT_MS;
      let line = await this.#next();
      while (this.#isBody && line !== template && performance.now() < endMs && (await this.#isHeartbeat(line)))
        line = await this.#next();
      if (!matchesText(template, line, captures))
        throw new Error(`the line is ${JSON.stringify(line)}, not ${template}`);
      if (!this.#isBody) await this.#readHeaders();
    } else if (template === '') this.#isBody = true;
    else {
      const [name = '', ...value] = template.split(': ');
      const found = this.#headers.some(
        (line) =>
          line.toLowerCase().startsWith(`${name.toLowerCase()}: `) &&
          matchesText(value.join(': '), line.slice(name.length + 2), captures),
      );
      if (!found) throw new Error(`the header ${template} is not among ${this.#headers.join(', ')}`);
    }
  }

  async #readHeaders(): Promise<void> {
    this.#headers = [];
    for (let line = await this.#next(); line !== ''; line = await this.#next()) this.#headers.push(line);
  }

  /** A comment, or an event with a cursor. Its other lines are read too. */
  async #isHeartbeat(line: string): Promise<boolean> {
    if (line !== 'event: polycast.heartbeat') return line === ':';
    for (let rest = line; rest !== '';) rest = await this.#next();
    return true;
  }

  async #next(): Promise<string> {
    const text = (): string => textOf(this.#raw);
    const isThere = (): boolean => text().indexOf('\n', this.#read) >= 0 || this.#raw.closed;
    await until(`a line comes after ${JSON.stringify(text().slice(-200))}`, isThere, TIMEOUT_MS);
    const end = text().indexOf('\n', this.#read);
    const line = text().slice(this.#read, end < 0 ? undefined : end);
    this.#read = end < 0 ? text().length : end + 1;
    return line.replace(/\r$/, '');
  }
}
