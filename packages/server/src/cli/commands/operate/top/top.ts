import type { HubStatus } from '../../../../operate/hub-status.ts';
import { JSON_DOCUMENT, type Command } from '../../../command.ts';
import { CliError } from '../../../exit-codes.ts';
import { openFullScreen } from '../../../full-screen.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress, type HubAddress } from '../../../hub-address.ts';
import type { Terminal } from '../../../terminal.ts';
import { readStatus } from '../status.ts';
import { sampleOf, type TopSample } from './sample.ts';
import { screenLines, type ScreenState } from './screen.ts';

const INTERVAL_SECONDS = 1;
const ANSWER_TIMEOUT_MS = 10_000;
/** The samples of the small graphs: more than the widest terminal shows. */
const HISTORY_MAX = 300;

export const top: Command = {
  name: 'top',
  summary: 'Shows the load of a hub, live.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'It shows rates, connections, latency, lag, slow consumers, failing endpoints, memory and disk, and refreshes every second. Press q or Ctrl-C to leave. Where the output is not a terminal it prints one sample. The key needs the scope admin.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    interval: { value: 'SECONDS', short: 'i', doc: `The time between two samples; ${INTERVAL_SECONDS} by default.` },
    once: { doc: 'Prints one sample as text, and ends.' },
    json: JSON_DOCUMENT,
  },
  examples: [
    { command: 'polycast top', description: 'the hub on this machine' },
    { command: 'polycast top --url https://hub.example --interval 5', description: 'another one, every five seconds' },
    { command: 'polycast top --json', description: 'one sample, for programs' },
  ],
  async run(input, terminal) {
    const hub = hubAddress(input);
    const intervalMs = (input.number('interval', 1) ?? INTERVAL_SECONDS) * 1000;
    const { stdin, stdout } = process;
    const isLive = !input.flag('once') && !input.flag('json') && stdin.isTTY && stdout.isTTY;
    if (isLive) await new LiveView(hub, await readStatus(hub), intervalMs, terminal).run();
    else await printOnce(hub, intervalMs, input.flag('json'), terminal);
    return 'done';
  },
};

/** Prints the rates of one interval. */
async function printOnce(hub: HubAddress, intervalMs: number, asJson: boolean, terminal: Terminal): Promise<void> {
  const earlier = await readStatus(hub);
  await new Promise((resolve) => setTimeout(resolve, intervalMs));
  const sample = sampleOf(await readStatus(hub), earlier);
  if (asJson) return terminal.out(JSON.stringify(sample));
  const state: ScreenState = { url: hub.url, sample, history: [], problem: undefined };
  const lines = screenLines(state, { columns: Math.max(80, terminal.columns), rows: ROWS_OF_TEXT }, terminal.style);
  for (const line of lines.slice(0, -1)) if (line !== '') terminal.out(line.trimEnd());
}

/** Enough for all entries of both lists. */
const ROWS_OF_TEXT = 60;

/** The live view on a terminal. */
class LiveView {
  readonly #hub: HubAddress;
  readonly #intervalMs: number;
  readonly #terminal: Terminal;
  readonly #history: { readonly in: number; readonly out: number }[] = [];
  #last: HubStatus;
  #sample: TopSample;
  #problem: string | undefined;
  #isReading = false;
  /** Ends the request that is under way when the user leaves. */
  readonly #left = new AbortController();

  constructor(hub: HubAddress, first: HubStatus, intervalMs: number, terminal: Terminal) {
    this.#hub = hub;
    this.#intervalMs = intervalMs;
    this.#terminal = terminal;
    this.#last = first;
    this.#sample = sampleOf(first, first);
  }

  /** Resolves when the user leaves. */
  async run(): Promise<void> {
    const { promise: left, resolve: onQuit } = Promise.withResolvers<void>();
    const draw = (): void => screen.show(this.#lines(screen));
    const screen = openFullScreen(process.stdin, process.stdout, { onQuit, onResize: () => draw() });
    const timer = setInterval(() => void this.#refresh().then(draw), this.#intervalMs);
    draw();
    try {
      await left;
    } finally {
      clearInterval(timer);
      this.#left.abort();
      screen.close();
    }
  }

  #lines(size: { readonly columns: number; readonly rows: number }): readonly string[] {
    const state: ScreenState = {
      url: this.#hub.url,
      sample: this.#sample,
      history: this.#history,
      problem: this.#problem,
    };
    return screenLines(state, size, this.#terminal.style);
  }

  /** Reads the next status. A hub that is slow to answer is not asked a second time meanwhile. */
  async #refresh(): Promise<void> {
    if (this.#isReading) {
      this.#problem = 'no answer yet';
      return;
    }
    this.#isReading = true;
    try {
      const signal = AbortSignal.any([this.#left.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
      const status = await readStatus(this.#hub, signal);
      this.#sample = sampleOf(status, this.#last);
      this.#last = status;
      this.#problem = undefined;
      this.#history.push({ in: this.#sample.in.eventsPerSecond, out: this.#sample.out.eventsPerSecond });
      if (this.#history.length > HISTORY_MAX) this.#history.shift();
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      this.#problem = error.message;
    } finally {
      this.#isReading = false;
    }
  }
}
