import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { missingLine, withCursors, type Cursors } from './printed.ts';
import type { Block } from './blocks.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The address of the hub on the pages. */
const SHOWN_HUB = /\b(?:127\.0\.0\.1|localhost):7400\b/g;
/** The folders of the hub's log and its copies on the pages. */
const SHOWN_FOLDERS = /\/var\/(?:lib|backups)\/polycast\b/g;
/** The ports of sites on the pages. */
export const SHOWN_PORTS: readonly string[] = ['3917', '3918', '3919', '3920'];
const SHOWN_PORT = new RegExp(`\\b(?:${SHOWN_PORTS.join('|')})\\b`, 'g');
const POLL_INTERVAL_MS = 25;
const PATIENCE_MS = 90_000;
/** The first program in Go also compiles Go's own packages, on a busy machine. */
const GO_PATIENCE_MS = 200_000;

interface Language {
  /** Runs the file that is its last argument. */
  readonly command: readonly string[];
  readonly extension?: string;
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  sh: { command: ['bash', '-euo', 'pipefail'] },
  // A page has an EventSource; Node has it behind this flag.
  js: { command: ['node', '--experimental-eventsource'] },
  ts: { command: ['node'] },
  php: { command: ['php'] },
  python: { command: ['python3', '-u'], extension: 'py' },
  go: { command: ['go', 'run'] },
};

/** Whether this machine can run blocks of a language. */
export function canRun(language: string): boolean {
  const [program = ''] = LANGUAGES[language]?.command ?? [];
  return spawnSync(program, [program === 'go' ? 'version' : '--version']).status === 0;
}

interface Program {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errorOutput: () => string;
  readonly ended: Promise<number | null>;
}

/** Runs the blocks of one page, one after the other, in one folder against one hub. */
export class PageRun {
  readonly #hub: string;
  readonly #folder: string;
  readonly #cursors: Cursors = new Map();
  readonly #background: Program[] = [];
  readonly #ports: ReadonlyMap<string, number>;
  #last: Program | undefined;

  /**
   * @param hub `http://HOST:PORT`
   * @param folder below the repository, so that scripts find its packages; empty
   * @param ports a free port for each of the shown ones, because several pages run at the same time
   */
  constructor(hub: string, folder: string, ports: ReadonlyMap<string, number>) {
    this.#hub = hub;
    this.#folder = folder;
    this.#ports = ports;
  }

  /**
   * Returns what the program has printed, which may grow.
   * @throws Error if a command or a script fails
   */
  async run(block: Block, text: string): Promise<() => string> {
    const { command, extension = block.language } = LANGUAGES[block.language] as Language;
    const script = join(this.#folder, `line-${block.line}.${extension}`);
    this.write(script, text);
    const [program, ...rest] = [...command, script];
    const isBackground = block.marks.includes('stays');
    const before = isBackground ? await this.#readersAfterExit() : 0;
    const started = this.#start(program as string, rest);
    this.#last = started;
    if (!isBackground) {
      await this.#end(started);
      return started.output;
    }
    this.#background.push(started);
    await this.#until(
      async () => started.output() !== '' || (await this.#readers()) > before,
      () => `it reads nothing: ${started.errorOutput()}`,
      block.language === 'go' ? GO_PATIENCE_MS : PATIENCE_MS,
    );
    return started.output;
  }

  /**
   * Waits until a program has printed a text.
   * @throws Error with what it has printed
   */
  async shows(output: () => string, text: string): Promise<void> {
    await this.#until(
      async () => output().includes(text),
      () => `not printed: ${text}\nbut: ${output()}`,
    );
  }

  /** @throws Error with the line that the last block did not print */
  prints(expected: string): void {
    const { missing, printed } = this.#missing(expected, this.#last);
    if (missing !== undefined) throw new Error(`not printed: ${missing}\nbut: ${printed}`);
  }

  /**
   * Waits until one of the running blocks has printed a text.
   * @throws Error with the missing line
   */
  async meanwhile(expected: string): Promise<void> {
    const missing = (): (string | undefined)[] => this.#background.map((each) => this.#missing(expected, each).missing);
    await this.#until(
      async () => missing().includes(undefined),
      () =>
        `not printed: ${missing().join(', nor ')}\nbut: ${this.#background.map(({ output }) => output()).join('\n')}`,
    );
  }

  /** Writes a file of the page into its folder. */
  write(name: string, text: string): void {
    const path = join(this.#folder, name.startsWith(this.#folder) ? name.slice(this.#folder.length) : name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, this.#adapted(text));
  }

  close(): void {
    for (const { child } of this.#background)
      if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGKILL');
  }

  async #end(program: Program): Promise<void> {
    const code = await program.ended;
    if (code !== 0) throw new Error(`ended with ${code}: ${program.output()}${program.errorOutput()}`);
  }

  #adapted(text: string): string {
    return this.#addressed(withCursors(text, this.#cursors)).replaceAll(SHOWN_FOLDERS, (folder) =>
      join(this.#folder, folder),
    );
  }

  #addressed(text: string): string {
    return text
      .replaceAll(SHOWN_HUB, new URL(this.#hub).host)
      .replaceAll(SHOWN_PORT, (shown) => String(this.#ports.get(shown)));
  }

  #start(command: string, args: readonly string[]): Program {
    const path = `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}`;
    const env = { ...process.env, PATH: path, POLYCAST_URL: this.#hub, NO_COLOR: '1' };
    // A process group, so that all processes of a shell are ended with it.
    const child = spawn(command, args, { cwd: this.#folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    return { child, output: textOf(child.stdout), errorOutput: textOf(child.stderr), ended };
  }

  /** Waits until the readers of ended blocks are gone, so that one more reader is a new one. */
  async #readersAfterExit(): Promise<number> {
    const running = this.#background.filter(({ child }) => child.exitCode === null).length;
    await this.#until(
      async () => (await this.#readers()) <= running,
      () => 'a reader has not gone',
    );
    return this.#readers();
  }

  /** Streams and waiting answers. Durable subscriptions are readers as well, and stay. */
  async #readers(): Promise<number> {
    const metrics = await (await fetch(`${this.#hub}/metrics`)).text();
    const of = (name: RegExp): number => Number(name.exec(metrics)?.[1] ?? 0);
    return of(/^polycast_readers (\d+)$/m) - of(/^polycast_subscriptions\{state="active"\} (\d+)$/m);
  }

  #missing(expected: string, program: Program | undefined): { readonly missing: string | undefined; printed: string } {
    const printed = program?.output() ?? '';
    return {
      missing: missingLine(this.#addressed(expected), printed, this.#cursors),
      printed,
    };
  }

  /** @throws Error if the condition does not come true */
  async #until(
    condition: () => Promise<boolean>,
    reason: () => string,
    patienceMs: number = PATIENCE_MS,
  ): Promise<void> {
    const untilMs = performance.now() + patienceMs;
    while (!(await condition())) {
      if (performance.now() > untilMs) throw new Error(reason());
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
  }
}

/** The received part of a stream. */
function textOf(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  return () => text;
}
