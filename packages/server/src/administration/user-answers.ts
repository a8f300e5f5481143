import type { AdministrationParts } from './administration-parts.ts';
import { reauthenticateHere, type UserQuestion } from './other-hubs.ts';
import { listedUsers, type ListedUser } from './user-list-route.ts';
import { userStatus, type UserStatus } from './user-status.ts';

/** From now on, answers the questions of the other hubs of a cluster about this hub's sessions. */
export function answerOtherHubs(parts: AdministrationParts): void {
  parts.log.shared?.others.onAsked((question) => answerOf(parts, question as UserQuestion));
}

/** A question of a later version gets no answer that is true: the hub counts as silent. */
function answerOf(
  parts: AdministrationParts,
  question: UserQuestion,
): UserStatus | readonly ListedUser[] | number | undefined {
  switch (question.kind) {
    case 'user':
      return userStatus(parts, question.user);
    case 'users':
      return listedUsers(parts, question.after, question.count);
    case 'reauthenticate':
      return reauthenticateHere(parts, question.user);
    default:
      return undefined;
  }
}
