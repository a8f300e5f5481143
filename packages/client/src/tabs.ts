import type { TabSharing } from './connection/options.ts';
import { openSession } from './tabs/follower.ts';
import { requestLeadership } from './tabs/leader.ts';

/**
 * Tabs of one browser with this name and the same hub share one connection: `connect(url, { share:
 * shareTabs('user-42') })`. When the leading tab closes or crashes, another tab takes over, and no
 * tab misses an event. All tabs have the permissions of the leading tab, and are one client for
 * `excludeSelf`.
 * @param name with users, one name for each: the user's id
 * @returns undefined where Web Locks or BroadcastChannel are missing; then each tab has a
 * connection of its own
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
