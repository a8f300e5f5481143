import type { TabSharing } from './connection/options.ts';
import { openSession } from './tabs/follower.ts';
import { requestLeadership } from './tabs/leader.ts';

/**
 * The tabs of one browser that share this name, and the hub, have one connection between them:
 * `connect(url, { share: shareTabs('user-42') })`. When the tab that leads closes or crashes, the next goes on, and no tab misses
 * anything. Tabs that share all have what the one that leads may have, and are one client to `excludeSelf`.
 * @param name where there are users, one for each: the user's id
 * @returns undefined, so that each tab has a connection of its own, where Web Locks or BroadcastChannel are missing
 */
export function shareTabs(name = ''): TabSharing | undefined {
  if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) return undefined;
  return {
    join(url, connect) {
      const groupName = `polycast ${url} ${name}`;
      return {
        open: (request, receive) => openSession(groupName, request, receive),
        end: requestLeadership(groupName, connect),
      };
    },
  };
}

export type { TabSharing, TabSession } from './connection/options.ts';
