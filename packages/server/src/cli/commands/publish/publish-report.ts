import { groupDigits } from '../../../core/primitives/english.ts';
import { StringDecoder } from 'node:string_decoder';
import type { Problem } from '@polycast/protocol';
import type { ExitName } from '../../exit-codes.ts';
import { describeProblem } from '../../problem-document.ts';
import { progressLine } from './progress-line.ts';
import type { OutputMode } from './publish-one.ts';
import type { Terminal } from '../../terminal.ts';

const REDRAW_INTERVAL_MS = 100;
/** The most refusals that are printed; further ones are only counted. */
const REFUSALS_SHOWN_MAX = 10;

/** Counts sent bytes and results, shows the progress, and prints a summary. */
export class PublishReport {
  /** The number of results so far, with refusals. */
  results = 0;
  #refused = 0;
  #sentBytes = 0;
  #partialLine = '';
  readonly #bytes: number | undefined;
  readonly #mode: OutputMode;
  readonly #terminal: Terminal;
  readonly #decoder = new StringDecoder('utf8');
  readonly #startedMs = performance.now();
  readonly #redraw: NodeJS.Timeout | undefined;

  constructor(bytes: number | undefined, mode: OutputMode, terminal: Terminal) {
    this.#bytes = bytes;
    this.#mode = mode;
    this.#terminal = terminal;
    if (mode !== 'quiet' && terminal.isInteractive) this.#redraw = setInterval(() => this.#draw(), REDRAW_INTERVAL_MS);
  }

  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /**
   * Takes a piece of the answer, which has one result per line. It only parses refusals; there may
   * be a million other results.
   */
  received(chunk: Buffer): void {
    const lines = (this.#partialLine + this.#decoder.write(chunk)).split('\n');
    this.#partialLine = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.#result(line);
  }

  /** Prints the summary after the end of the answer. */
  finish(): ExitName {
    if (this.#partialLine !== '') this.#result(this.#partialLine);
    this.stop();
    const { notice, noticeStyle } = this.#terminal;
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const published = this.results - this.#refused;
    if (this.#refused > REFUSALS_SHOWN_MAX)
      notice(`… and ${groupDigits(this.#refused - REFUSALS_SHOWN_MAX)} more were refused`);
    const refused = noticeStyle(this.#refused > 0 ? 'red' : 'dim', `${groupDigits(this.#refused)} refused`);
    const rate = noticeStyle('dim', `in ${seconds.toFixed(1)} s, ${groupDigits(Math.round(this.results / seconds))}/s`);
    if (this.#mode !== 'quiet')
      notice(`${noticeStyle('green', `${groupDigits(published)} published`)}, ${refused} ${rate}`);
    return this.#refused > 0 ? 'failed' : 'done';
  }

  /** Ends the display. */
  stop(): void {
    clearInterval(this.#redraw);
    this.#terminal.clearProgress();
  }

  #result(line: string): void {
    this.results += 1;
    if (this.#mode === 'json') this.#terminal.out(line);
    if (!line.startsWith('{"error"')) return;
    this.#refused += 1;
    if (this.#refused > REFUSALS_SHOWN_MAX) return;
    const { error } = JSON.parse(line) as { error: Problem };
    const { notice, noticeStyle } = this.#terminal;
    notice(`${noticeStyle('red', `event ${groupDigits(this.results)} refused:`)} ${describeProblem(error)}`);
  }

  #draw(): void {
    const stats = {
      fraction: this.#bytes === undefined || this.#bytes === 0 ? undefined : this.#sentBytes / this.#bytes,
      results: this.results,
      refused: this.#refused,
      seconds: (performance.now() - this.#startedMs) / 1000,
    };
    this.#terminal.progress(progressLine(stats, this.#terminal));
  }
}
