import type { AdministrationParts } from './administration-parts.ts';
import { reauthenticateHere, type HubQuestion } from './other-hubs.ts';
import { endSessionHere, foundSession } from './hub-session.ts';
import { hubSessions } from './session-list.ts';
import { listedUsers } from './user-list-route.ts';
import { userStatus } from './user-status.ts';

/**
 * From now on, answers the questions of the other hubs of a cluster about this hub
 * and its sessions.
 */
export function answerOtherHubs(parts: AdministrationParts): void {
  parts.log.shared?.others.onAsked((question) => answerOf(parts, question as HubQuestion));
}

/**
 * Of an unknown kind: another hub has a later version. Without an answer this hub counts as silent.
 */
function answerOf(parts: AdministrationParts, question: HubQuestion): object | number | null | undefined {
  switch (question.kind) {
    case 'user':
      return userStatus(parts, question.user);
    case 'users':
      return listedUsers(parts, question.after, question.count);
    case 'reauthenticate':
      return reauthenticateHere(parts, question.user);
    case 'sessions':
      return hubSessions(parts, question.query, question.places);
    case 'session':
      return foundSession(parts, question.session) ?? null;
    case 'hub':
      return parts.self();
    case 'end session':
      return endSessionHere(parts, question.session) ?? null;
    default:
      return undefined;
  }
}
