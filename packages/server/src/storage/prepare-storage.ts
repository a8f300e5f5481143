import { homeNameOf } from './data-setting.ts';
import { prepareThread } from './sqlite/thread.ts';

/**
 * Starts the thread that opens the log of `data`, if it has one. Call it before the hub's modules
 * are loaded: the thread loads its own meanwhile. So this file imports no home.
 */
export function prepareStorage(data: string): void {
  if (homeNameOf(data) === 'sqlite') prepareThread('log-writer');
}
