import type { VNode } from 'preact';
import { useRoute } from '../../router.ts';
import { SessionList } from './session-list.tsx';
import { UserView } from './user.tsx';

/** Who is connected, where, and how far behind; or one user with all sessions. */
export function Sessions(): VNode {
  const { args } = useRoute();
  return args[0] === undefined ? <SessionList /> : <UserView user={args[0]} />;
}
