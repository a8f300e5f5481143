import type { Clock } from '../../core/ports.ts';
import type { HubStatus } from '../hub-status.ts';
import { StatusHistoryFile, type FileForm, type StoredRow } from './status-history-file.ts';
import { StatusRing, type RingForm } from './status-ring.ts';
import { bucketName, PERCENTILES, percentileOf, PLAIN_SERIES, seriesLike, type StatusSeries } from './status-series.ts';

/** The rings: an hour of 5 seconds, a day of minutes, and a week of ten minutes. */
const RINGS: readonly RingForm[] = [
  { stepMs: 5000, rows: 720 },
  { stepMs: 60_000, rows: 1440 },
  { stepMs: 600_000, rows: 1008 },
];
const SAMPLE_INTERVAL_MS = 5000;
/** A crash loses at most this time. */
const WRITE_INTERVAL_MS = 60_000;

export interface StatusHistoryParts {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly read: () => Promise<HubStatus>;
  /** The path of the file; `undefined` for data in memory. */
  readonly path: string | undefined;
  readonly onError: (error: unknown) => void;
}

/** The numbers of a hub in equal steps. Example: `values.published[0]` belongs to `times[0]`. */
export interface StatusHistoryPage {
  readonly stepSeconds: number;
  /** The starts of the steps that are known, milliseconds since 1970. */
  readonly times: readonly number[];
  /** By the name of the series. */
  readonly values: Readonly<Record<string, readonly (number | null)[]>>;
}

/**
 * Reads the status at intervals and keeps its numbers in rings: 5 minutes to 7 days, in memory and
 * in a small file. The console draws its charts from them.
 */
export class StatusHistory {
  readonly #parts: StatusHistoryParts;
  #series: readonly StatusSeries[] = [];
  #rings: readonly StatusRing[] = [];
  #bounds: HubStatus['latency'] | undefined;
  /** The totals of the last sample. */
  #totals: readonly number[] = [];
  #file: StatusHistoryFile | undefined;
  readonly #unwritten = new Map<string, readonly [ring: number, startMs: number]>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #writtenMs = 0;
  #closed = false;

  constructor(parts: StatusHistoryParts) {
    this.#parts = parts;
  }

  /** Resolves when the stored rows have been read. */
  get opened(): Promise<void> {
    return this.#running;
  }

  /** Reads the stored rows, and begins to sample. */
  start(): void {
    this.#running = this.#open()
      .catch(this.#parts.onError)
      .then(() => this.#schedule());
  }

  /** Writes the rows that are not written yet. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.#write().catch(this.#parts.onError);
    await this.#file?.close();
    this.#file = undefined;
  }

  /**
   * The steps of the last `seconds`, from the finest ring that reaches so far back.
   * @param afterMs only steps that begin after this time
   */
  page(seconds: number, afterMs: number): StatusHistoryPage {
    const nowMs = this.#parts.clock.nowMs();
    const index = RINGS.findIndex(({ stepMs, rows }) => stepMs * rows >= seconds * 1000);
    const ring = this.#rings[index < 0 ? RINGS.length - 1 : index];
    const stepSeconds = (ring?.form.stepMs ?? SAMPLE_INTERVAL_MS) / 1000;
    const times = ring?.starts(Math.max(nowMs - seconds * 1000, afterMs + 1), nowMs) ?? [];
    const rows = times.map((startMs) => ring?.row(startMs) ?? new Float32Array());
    const columns = new Map(this.#series.map(({ name }, column) => [name, column]));
    const plain = PLAIN_SERIES.map(({ name }) => [name, rows.map((row) => valueIn(row, columns.get(name)))]);
    const percentiles = PERCENTILES.map(({ name, distribution, share }) => {
      const bounds = this.#bounds?.[distribution].bucketsSeconds ?? [];
      const buckets = [...bounds, Infinity].map((_, bucket) => columns.get(bucketName(distribution, bucket)));
      return [
        name,
        rows.map((row) =>
          percentileOf(
            bounds,
            buckets.map((column) => valueIn(row, column) ?? 0),
            share,
          ),
        ),
      ];
    });
    return { stepSeconds, times, values: Object.fromEntries([...plain, ...percentiles]) };
  }

  async #open(): Promise<void> {
    const status = await this.#parts.read();
    this.#series = seriesLike(status);
    this.#bounds = status.latency;
    const kinds = this.#series.map(({ kind }) => kind);
    this.#rings = RINGS.map((form) => new StatusRing(form, kinds));
    this.#totals = this.#series.map(({ read }) => read(status) ?? Number.NaN);
    this.#writtenMs = this.#parts.clock.nowMs();
    const { path } = this.#parts;
    if (path === undefined) return;
    const form: FileForm = { names: this.#series.map(({ name }) => name), rings: RINGS };
    const { file, rows } = await StatusHistoryFile.open(path, form);
    for (const { ring, startMs, values } of rows) this.#rings[ring]?.restore(startMs, values);
    this.#file = file;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#running = this.sample()
        .catch(this.#parts.onError)
        .then(() => this.#schedule());
    }, SAMPLE_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Reads the status once, and adds its numbers to all rings. */
  async sample(): Promise<void> {
    const status = await this.#parts.read();
    const nowMs = this.#parts.clock.nowMs();
    const readings = this.#series.map(({ read }) => read(status) ?? Number.NaN);
    const values = this.#series.map(({ kind }, index) => {
      const reading = readings[index] ?? Number.NaN;
      return kind === 'count' ? Math.max(0, reading - (this.#totals[index] ?? Number.NaN)) : reading;
    });
    this.#totals = readings;
    for (const [index, ring] of this.#rings.entries()) {
      ring.add(nowMs, values);
      const startMs = Math.floor(nowMs / ring.form.stepMs) * ring.form.stepMs;
      this.#unwritten.set(`${index} ${startMs}`, [index, startMs]);
    }
    if (nowMs - this.#writtenMs >= WRITE_INTERVAL_MS || nowMs < this.#writtenMs) await this.#write();
  }

  async #write(): Promise<void> {
    this.#writtenMs = this.#parts.clock.nowMs();
    const places = [...this.#unwritten.values()];
    this.#unwritten.clear();
    const rows = places.flatMap(([ring, startMs]): StoredRow[] => {
      const values = this.#rings[ring]?.row(startMs);
      return values === undefined ? [] : [{ ring, startMs, values: [...values] }];
    });
    await this.#file?.write(rows);
  }
}

/** A number of a row for JSON; `null` where nothing is known. */
function valueIn(row: Float32Array, column: number | undefined): number | null {
  const value = column === undefined ? undefined : row[column];
  return value === undefined || Number.isNaN(value) ? null : value;
}
