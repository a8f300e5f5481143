/** Why a data folder cannot be opened. */
export type DataFolderReason =
  /** Another process has it open. */
  | 'in_use'
  /** It was written by a newer version. */
  | 'newer_schema'
  /** It holds something else, or what it holds is damaged. */
  | 'corrupt'
  /** The folder or a file in it cannot be read or written. */
  | 'inaccessible';

/** The data folder cannot be used. `message` says what is wrong and what to do about it: show it, then exit. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError';
  readonly reason: DataFolderReason;

  constructor(reason: DataFolderReason, message: string) {
    super(message);
    this.reason = reason;
  }
}
