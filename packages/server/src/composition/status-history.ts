import { join } from 'node:path';
import type { CallerStatus, HubStatus } from '../operate/hub-status.ts';
import { StatusHistory } from '../operate/status-history/status-history.ts';
import { dataFolderOf } from '../storage/data-setting.ts';
import type { HubBase } from './base.ts';

/** The caller of the status when the hub itself reads it. */
const ITSELF: CallerStatus = { address: '', forwarded: false, encrypted: false };

/** Keeps the numbers of the status over time. Start it after the hub listens. */
export function openStatusHistory(
  { config, world: { clock }, logger, shutdown }: HubBase,
  read: (caller: CallerStatus) => Promise<HubStatus>,
): StatusHistory {
  const folder = dataFolderOf(config.data);
  const history = new StatusHistory({
    clock,
    read: () => read(ITSELF),
    path: folder === undefined ? undefined : join(folder, 'status-history.bin'),
    onError: (error) => logger.warn({ error: String(error) }, 'status history: read or write failed, retrying'),
  });
  shutdown.add('tasks', () => history.close());
  return history;
}
