import { pino, type Logger } from 'pino';

/**
 * Creates the structured logger. It writes to standard error, because the output of commands goes
 * to standard output. Tokens and queries are never logged.
 */
export function createLogger(level: 'debug' | 'info' | 'warn' | 'error' | 'silent', format: 'json' | 'pretty'): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // As JSON an error would be `{}`.
      serializers: { error: (error: unknown) => (error instanceof Error ? errorText(error) : error) },
    },
    format === 'json' ? pino.destination({ dest: 2, sync: false }) : prettyStream(),
  );
}

/** Where an error was thrown, and what had caused it. */
function errorText({ stack, message, cause }: Error): string {
  const text = stack ?? message;
  return cause === undefined ? text : `${text}\ncaused by ${cause instanceof Error ? errorText(cause) : String(cause)}`;
}

/** Formats a log line for people: the time, the level, the message, then its fields. */
function prettyStream(): { write(line: string): void } {
  return {
    write(line) {
      const { level, time, msg, ...fields } = JSON.parse(line) as { level: string; time: string; msg: string };
      const details = Object.entries(fields).map(
        ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
      );
      process.stderr.write([time.slice(11, 19), level.padEnd(5), msg, ...details].join(' ') + '\n');
    },
  };
}
