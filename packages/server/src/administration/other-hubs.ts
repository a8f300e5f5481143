import { PolycastError } from '@polycast/protocol';
import type { Log } from '../core/ports.ts';
import { reauthenticateSession } from '../auth/expiry.ts';
import type { AdministrationParts } from './administration-parts.ts';
import type { SessionPlace } from '../core/session-journal/session-journal-store.ts';
import type { SessionsQuery } from './session-pages.ts';

/**
 * What the hubs of a cluster ask each other about themselves, users and sessions, since each knows
 * its own. Example: ann has a stream at hub A and one at hub B. `GET /v1/users/ann` at A asks B,
 * and shows both.
 */
export type HubQuestion =
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'users'; readonly after: string; readonly count: number }
  | { readonly kind: 'reauthenticate'; readonly user: string }
  | {
      readonly kind: 'sessions';
      readonly query: SessionsQuery;
      readonly places: Readonly<Record<string, SessionPlace>> | undefined;
    }
  | { readonly kind: 'session' | 'end session'; readonly session: string }
  | { readonly kind: 'hub' };

/** The answers of the other hubs. Without a cluster there are none. */
interface OtherAnswers<Answer> {
  readonly answers: readonly Answer[];
  /** A member of the response: `silentHubs` did not answer. Empty when all did. */
  readonly silence: { readonly silentHubs?: number };
}

/** Asks the other hubs of a cluster. `hub-answers.ts` answers. */
export async function askOthers<Answer>(
  { shared }: Pick<Log, 'shared'>,
  question: HubQuestion,
): Promise<OtherAnswers<Answer>> {
  if (shared === undefined) return { answers: [], silence: {} };
  const { answers, silentHubs } = await shared.others.ask<Answer>(question);
  return { answers, silence: silentHubs === 0 ? {} : { silentHubs } };
}

/** The answer may be at a hub that did not reply. */
export function hubSilent(count: number): PolycastError {
  const detail = count === 1 ? 'One hub of the cluster did not reply.' : `${count} hubs of the cluster did not reply.`;
  return new PolycastError('hub_silent', detail, { retryAfterMs: 1000 });
}

/** Asks the site again about a user of this hub. Returns the number of sessions. */
export function reauthenticateHere({ auth, sessions }: AdministrationParts, user: string): number {
  auth.authority.forgetUser?.(user);
  const open = sessions.ofUser(user);
  for (const session of open) reauthenticateSession(auth, session);
  return open.length;
}
