import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/**
 * The output of a command: results go to `out`, messages about them to `notice`. Only a terminal
 * shows colours.
 */
export interface Terminal {
  /** A line of results, on standard output. */
  out(line: string): void;
  /** Bytes on standard output, unchanged; on a terminal control characters are escaped. */
  outBytes(bytes: Uint8Array): void;
  /** Settles when the reader of standard output has caught up; undefined when it is not behind. */
  drained(): Promise<void> | undefined;
  /** A message on standard error. */
  notice(line: string): void;
  /** Styled for `out`. */
  style(style: Style, text: string): string;
  /** Styled for `notice`. */
  noticeStyle(style: Style, text: string): string;
  /**
   * Shows one line that the next call replaces; does nothing when standard error is not a terminal.
   */
  progress(line: string): void;
  /** Removes the line that `progress` shows. */
  clearProgress(): void;
  readonly isInteractive: boolean;
  /** The width of standard error in characters. */
  readonly columns: number;
}

export function createTerminal(out: NodeJS.WriteStream, err: NodeJS.WriteStream): Terminal {
  let hasProgress = false;
  const clearProgress = (): void => {
    if (hasProgress) err.write('\r\u001B[K');
    hasProgress = false;
  };
  return {
    isInteractive: err.isTTY === true,
    get columns() {
      return err.columns ?? 80;
    },
    out(line) {
      clearProgress();
      out.write(`${line}\n`);
    },
    outBytes(bytes) {
      clearProgress();
      out.write(out.isTTY === true ? Buffer.from(bytes).toString().split('\n').map(printable).join('\n') : bytes);
    },
    drained() {
      if (!out.writableNeedDrain) return undefined;
      return new Promise((resolve) => void out.once('drain', resolve));
    },
    notice(line) {
      clearProgress();
      err.write(`${line}\n`);
    },
    progress(line) {
      if (err.isTTY !== true) return;
      err.write(`\r${line}\u001B[K`);
      hasProgress = true;
    },
    clearProgress,
    style: (style, text) => styleText(style, text, { stream: out }),
    noticeStyle: (style, text) => styleText(style, text, { stream: err }),
  };
}

/** Escapes control characters, so that a publisher's text cannot control the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu, (character) => {
    const code = (character.codePointAt(0) as number).toString(16).padStart(4, '0');
    return `\\u${code}`;
  });
}
