/** The reason why a data folder cannot be opened. */
export type DataFolderReason =
  /** Another process has it open. */
  | 'in_use'
  /** A newer version wrote it. */
  | 'newer_schema'
  /** It holds other data, or its data is damaged. */
  | 'corrupt'
  /** A restore would replace its data. */
  | 'not_empty'
  /** The folder or a file in it cannot be read or written. */
  | 'inaccessible';

/**
 * The data folder cannot be used. `message` names the problem and the remedy: show it, then exit.
 */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError';
  readonly reason: DataFolderReason;

  constructor(reason: DataFolderReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
