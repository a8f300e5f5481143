import type { ViewState } from './log-view.ts';

/** Copies of one hub's view. A copy is one file, and only one is made or installed at a time. */
export interface ViewCopies {
  /** The path of the copy. A file that is received is written there. */
  readonly file: string;
  /** Copies the view as of one commit, while it is open. Returns its state in the copy. */
  make(): Promise<ViewState>;
  /** Makes the file the view, in the place of the present one. The view is not open. */
  install(): Promise<void>;
  /** Removes the file. */
  discard(): Promise<void>;
}
