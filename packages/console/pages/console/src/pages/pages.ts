import type { ComponentType } from 'preact';
import type { ConsoleSession } from '../hub/session.ts';
import { Access } from './access/access.tsx';
import { Channels } from './channels/channels.tsx';
import { Cluster } from './cluster/cluster.tsx';
import { Follow } from './follow/follow.tsx';
import { Overview } from './overview/overview.tsx';
import { Settings } from './settings/settings.tsx';
import { Sessions } from './sessions/sessions.tsx';
import { Subscriptions } from './subscriptions/subscriptions.tsx';
import { Why } from './why/why.tsx';

/** A page of the console. Its name is the first part of its address. */
export interface ConsolePage {
  readonly name: string;
  readonly title: string;
  readonly view: ComponentType;
  /** Whether the navigation has it. Absent: always. */
  readonly isFor?: (session: ConsoleSession) => boolean;
}

/** All pages in the order of the navigation. */
export const PAGES: readonly ConsolePage[] = [
  { name: 'overview', title: 'Overview', view: Overview },
  { name: 'cluster', title: 'Cluster', view: Cluster, isFor: ({ cluster }) => cluster !== undefined },
  { name: 'channels', title: 'Channels', view: Channels },
  { name: 'follow', title: 'Follow', view: Follow },
  { name: 'sessions', title: 'Sessions', view: Sessions },
  { name: 'subscriptions', title: 'Subscriptions', view: Subscriptions },
  { name: 'why', title: 'Why', view: Why },
  { name: 'access', title: 'Access', view: Access },
  { name: 'settings', title: 'Settings', view: Settings },
];
