import type { ReadStream, WriteStream } from 'node:tty';

/** Sequences of ECMA-48 and xterm: the alternate screen, the cursor, and wrapping at the margin. */
const ENTER = '\u001B[?1049h\u001B[?25l\u001B[?7l';
const LEAVE = '\u001B[?7h\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';
const CLEAR_LINE_END = '\u001B[K';
const CLEAR_SCREEN_END = '\u001B[J';
const CTRL_C = '\u0003';
/** A terminal that does not tell its size has the classic one. */
const SIZE_DEFAULT = { columns: 80, rows: 24 };

/** A program on the whole terminal: `top`, for example. */
export interface FullScreen {
  readonly columns: number;
  readonly rows: number;
  /** Shows these lines in the place of the previous ones. */
  show(lines: readonly string[]): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

/** The events of a full screen. */
export interface FullScreenEvents {
  /** The user presses `q` or Ctrl-C, or the terminal closes. */
  onQuit(): void;
  onResize(): void;
}

/**
 * Takes the terminal: the alternate screen, keys without Enter, and no cursor. The terminal is
 * given back however the process ends, also by a signal or an error.
 */
export function openFullScreen(input: ReadStream, output: WriteStream, events: FullScreenEvents): FullScreen {
  let isOpen = true;
  const onKey = (keys: string): void => {
    if (/[qQ]/.test(keys) || keys.includes(CTRL_C)) events.onQuit();
  };
  const restore = (): void => {
    if (!isOpen) return;
    isOpen = false;
    input.setRawMode(false);
    output.write(LEAVE);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  input.setRawMode(true);
  input.setEncoding('utf8').on('data', onKey).on('end', events.onQuit).resume();
  output.on('resize', events.onResize);
  for (const signal of signals) process.on(signal, events.onQuit);
  process.on('exit', restore);
  output.write(ENTER);
  return {
    get columns() {
      return output.columns || SIZE_DEFAULT.columns;
    },
    get rows() {
      return output.rows || SIZE_DEFAULT.rows;
    },
    show(lines) {
      if (isOpen) output.write(HOME + lines.map((line) => line + CLEAR_LINE_END).join('\r\n') + CLEAR_SCREEN_END);
    },
    close() {
      restore();
      input.off('data', onKey).off('end', events.onQuit).pause();
      output.off('resize', events.onResize);
      for (const signal of signals) process.off(signal, events.onQuit);
      process.off('exit', restore);
    },
  };
}
