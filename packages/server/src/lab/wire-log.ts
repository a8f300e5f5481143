import type { ServerResponse } from 'node:http';
import type { WireRecord } from './records.ts';

/** The bounds of the log. A page that lost its connection for some seconds can catch up. */
const RECORDS_MAX = 20_000;
const BYTES_MAX = 4 * 1024 * 1024;

/** The bound on one write to a page's socket. The rest waits in the log, not in the socket. */
const WRITE_BYTES_MAX = 64 * 1024;

/** The bound on pages that watch at the same time. */
const WATCHERS_MAX = 16;

/**
 * The newest records, numbered, and the pages that watch them. Each page is a position in the log.
 *
 * A slow page falls behind. When the log has deleted records that it did not read, it receives the
 * event `lost` with their number.
 */
export class WireLog {
  #lines: string[] = [];
  #firstSequence = 1;
  #bytes = 0;
  readonly #watchers = new Map<ServerResponse, Watcher>();

  append(record: WireRecord): void {
    const line = JSON.stringify(record);
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#lines.length > RECORDS_MAX || this.#bytes > BYTES_MAX) this.#forgetOldest();
    for (const watcher of this.#watchers.values()) this.#pump(watcher);
  }

  /**
   * Writes records to `response` as Server-Sent Events: those after `afterSequence`, or only new
   * ones without it. Returns false when too many pages watch.
   */
  watch(response: ServerResponse, afterSequence: number | undefined): boolean {
    if (this.#watchers.size >= WATCHERS_MAX) return false;
    const head = this.#firstSequence + this.#lines.length;
    // A number from an earlier run of the hub may be higher than this log's newest.
    const next = afterSequence === undefined ? head : Math.min(afterSequence + 1, head);
    const watcher: Watcher = { response, next, blocked: false };
    this.#watchers.set(response, watcher);
    response.on('close', () => void this.#watchers.delete(response));
    response.on('drain', () => {
      watcher.blocked = false;
      this.#pump(watcher);
    });
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.write('retry: 250\n\n');
    this.#pump(watcher);
    return true;
  }

  close(): void {
    for (const response of this.#watchers.keys()) response.end();
    this.#watchers.clear();
  }

  #pump(watcher: Watcher): void {
    while (!watcher.blocked) {
      if (watcher.next < this.#firstSequence) {
        const lost = this.#firstSequence - watcher.next;
        watcher.next = this.#firstSequence;
        watcher.response.write(`event: lost\ndata: ${lost}\n\n`);
      }
      const text = this.#nextText(watcher);
      if (text === '') return;
      watcher.blocked = !watcher.response.write(text);
    }
  }

  #nextText(watcher: Watcher): string {
    let text = '';
    for (; text.length < WRITE_BYTES_MAX; watcher.next++) {
      const line = this.#lines[watcher.next - this.#firstSequence];
      if (line === undefined) break;
      text += `id: ${watcher.next}\ndata: ${line}\n\n`;
    }
    return text;
  }

  /** Deletes a quarter at a time, so that the array is not shifted for every record. */
  #forgetOldest(): void {
    const forgotten = this.#lines.splice(0, Math.ceil(this.#lines.length / 4));
    this.#firstSequence += forgotten.length;
    for (const line of forgotten) this.#bytes -= line.length;
  }
}

interface Watcher {
  readonly response: ServerResponse;
  /** The number of the next record to write. */
  next: number;
  blocked: boolean;
}
