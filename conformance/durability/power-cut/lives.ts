import { identityLife } from './lives/identity-life.ts';
import type { Life } from './lives/life.ts';
import { logLife } from './lives/log-life.ts';
import { subscriptionsLife } from './lives/subscriptions-life.ts';

/** One for each store that acknowledges writes. */
export const LIVES: readonly Life[] = [logLife, identityLife, subscriptionsLife];
