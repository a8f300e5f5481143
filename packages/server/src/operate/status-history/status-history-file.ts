import { open, readFile, rename, writeFile, type FileHandle } from 'node:fs/promises';

/**
 * The file of the status history. It has a line of JSON with the names of the series, then the rows
 * of all rings, each at its place. A row is the start of its step (8 bytes) and its values (4 bytes
 * each). A crash loses the rows since the last write, and nothing else.
 */
export interface StoredRow {
  readonly ring: number;
  readonly startMs: number;
  readonly values: readonly number[];
}

/** The form of a file. A file of another form is read by the names of its series. */
export interface FileForm {
  readonly names: readonly string[];
  readonly rings: readonly { readonly stepMs: number; readonly rows: number }[];
}

/** The header is this long, padded with spaces. */
const HEADER_BYTES = 8192;
const TIME_BYTES = 8;
const VALUE_BYTES = 4;

export class StatusHistoryFile {
  readonly #handle: FileHandle;
  readonly #form: FileForm;

  private constructor(handle: FileHandle, form: FileForm) {
    this.#handle = handle;
    this.#form = form;
  }

  /**
   * Opens the file, and reads its rows. A file of another form, or a damaged one, is written anew
   * with what is readable.
   */
  static async open(
    path: string,
    form: FileForm,
  ): Promise<{ readonly file: StatusHistoryFile; readonly rows: readonly StoredRow[] }> {
    const found = await readFile(path).catch(() => undefined);
    const stored = found === undefined ? undefined : parseHeader(found);
    const rows = found === undefined || stored === undefined ? [] : readRows(found, stored, form);
    const isCurrent = stored !== undefined && JSON.stringify(stored) === JSON.stringify(form);
    if (!isCurrent) {
      await writeFile(`${path}.new`, header(form), { mode: 0o600 });
      await rename(`${path}.new`, path);
    }
    const file = new StatusHistoryFile(await open(path, 'r+'), form);
    if (!isCurrent) await file.write(rows);
    return { file, rows };
  }

  /** Writes rows at their places. */
  async write(rows: readonly StoredRow[]): Promise<void> {
    const rowBytes = bytesOfRow(this.#form);
    for (const { ring, startMs, values } of rows) {
      const buffer = Buffer.alloc(rowBytes);
      buffer.writeDoubleLE(startMs, 0);
      for (const [index, value] of values.entries()) buffer.writeFloatLE(value, TIME_BYTES + index * VALUE_BYTES);
      await this.#handle.write(buffer, 0, rowBytes, placeOf(this.#form, ring, startMs));
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function header(form: FileForm): Buffer {
  const text = `${JSON.stringify(form)}\n`;
  return Buffer.from(text.padEnd(HEADER_BYTES));
}

function parseHeader(bytes: Buffer): FileForm | undefined {
  try {
    const { names, rings } = JSON.parse(bytes.toString('utf8', 0, HEADER_BYTES)) as FileForm;
    return Array.isArray(names) && Array.isArray(rings) ? { names, rings } : undefined;
  } catch {
    return undefined;
  }
}

/** The rows of a file in the order of the present series. */
function readRows(bytes: Buffer, stored: FileForm, form: FileForm): readonly StoredRow[] {
  const columns = form.names.map((name) => stored.names.indexOf(name));
  const rowBytes = bytesOfRow(stored);
  const rows: StoredRow[] = [];
  let at = HEADER_BYTES;
  for (const { stepMs, rows: count } of stored.rings) {
    const ring = form.rings.findIndex((each) => each.stepMs === stepMs);
    for (let row = 0; row < count; row++, at += rowBytes) {
      if (at + rowBytes > bytes.length) return rows;
      const startMs = bytes.readDoubleLE(at);
      if (ring < 0 || !(startMs > 0) || startMs % stepMs !== 0) continue;
      const values = columns.map((column) =>
        column < 0 ? Number.NaN : bytes.readFloatLE(at + TIME_BYTES + column * VALUE_BYTES),
      );
      rows.push({ ring, startMs, values });
    }
  }
  return rows;
}

function bytesOfRow({ names }: FileForm): number {
  return TIME_BYTES + names.length * VALUE_BYTES;
}

function placeOf(form: FileForm, ring: number, startMs: number): number {
  const rowBytes = bytesOfRow(form);
  const before = form.rings.slice(0, ring).reduce((sum, { rows }) => sum + rows, 0);
  const { stepMs, rows } = form.rings[ring] ?? { stepMs: 1, rows: 1 };
  return HEADER_BYTES + (before + (Math.floor(startMs / stepMs) % rows)) * rowBytes;
}
