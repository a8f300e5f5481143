import { DataFolderError, type DataFolderReason } from '../../core/data-folder-error.ts';

export type Unavailable = 'log_unavailable' | 'log_full';

/** The data folder cannot be written, or read, at the moment. */
export class UnavailableError extends Error {
  readonly code: Unavailable;

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause));
    const reported = cause instanceof DataFolderError ? (cause.cause ?? cause) : cause;
    this.code = isFull(reported) ? 'log_full' : 'log_unavailable';
  }
}

/** A failure as a message to the main thread. */
export type Failure =
  | { readonly kind: 'unavailable'; readonly code: Unavailable; readonly reason: string }
  | { readonly kind: 'folder'; readonly reason: DataFolderReason; readonly message: string };

export function failureOf(error: unknown): Failure {
  if (error instanceof DataFolderError) return { kind: 'folder', reason: error.reason, message: error.message };
  const { code, message } = error instanceof UnavailableError ? error : new UnavailableError(error);
  return { kind: 'unavailable', code, reason: message };
}

/** SQLite's primary result code. Undefined for an error that is not SQLite's. */
export function errorCodeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** Whether the disk, or a quota on it, is full. */
export function isFull(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return errorCodeOf(error) === SQLITE_FULL || code === 'ENOSPC' || code === 'EDQUOT';
}

const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** An error like SQLite's for a damaged file, for rows that cannot be true. */
export function damageError(problem: string): Error {
  return Object.assign(new Error(problem), { errcode: SQLITE_CORRUPT });
}

/** Whether SQLite found that the content of a file is damaged. */
export function isDamage(error: unknown): boolean {
  return errorCodeOf(error) === SQLITE_CORRUPT;
}

/** Whether a file is damaged, or no database. */
export function isUnusable(error: unknown): boolean {
  return isDamage(error) || errorCodeOf(error) === SQLITE_NOTADB;
}
