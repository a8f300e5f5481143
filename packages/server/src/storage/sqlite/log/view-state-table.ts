import type { DatabaseSync } from 'node:sqlite';
import type { ViewState } from '../../view/log-view.ts';
import { EMPTY_VIEW } from '../../view/view-state.ts';

/** The state of the view in a database, and of one that has applied nothing. */
export function readViewState(database: DatabaseSync): ViewState {
  const row = database.prepare('SELECT state FROM journal_view').get() as { state: string } | undefined;
  return row === undefined ? EMPTY_VIEW : (JSON.parse(row.state) as ViewState);
}
