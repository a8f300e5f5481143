/** The part of a logger that is needed here. */
export interface TelemetryLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** The result of an export, as OpenTelemetry gives it: code 0 is a success. */
export interface ExportOutcome {
  readonly code: number;
  readonly error?: Error;
}

/**
 * Logs the state of the endpoint: once when it begins to fail, and once when it answers again. The
 * counts of what is lost meanwhile are metrics.
 */
export class EndpointReport {
  readonly #logger: TelemetryLogger;
  readonly #signal: 'spans' | 'metrics';
  /** Without a user name and a password. */
  readonly #endpoint: string;
  #isFailing = false;

  constructor(logger: TelemetryLogger, signal: 'spans' | 'metrics', endpoint: string) {
    this.#logger = logger;
    this.#signal = signal;
    this.#endpoint = new URL(endpoint).origin;
  }

  onResult({ code, error }: ExportOutcome): void {
    const isFailing = code !== 0;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    const fields = { endpoint: this.#endpoint };
    if (isFailing)
      this.#logger.warn(
        { ...fields, error: error?.message ?? 'unknown' },
        `telemetry: the endpoint does not take ${this.#signal}, they are dropped and counted until it does`,
      );
    else this.#logger.info(fields, `telemetry: the endpoint takes ${this.#signal} again`);
  }
}
