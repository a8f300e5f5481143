import type { Command } from '../../command.ts';
import {
  subscriptionsDelete,
  subscriptionsPause,
  subscriptionsReplay,
  subscriptionsResume,
  subscriptionsRotateSecret,
  subscriptionsTest,
} from './manage.ts';
import { subscriptionsChange, subscriptionsCreate } from './create.ts';
import { subscriptionsDeadLetters } from './dead-letters.ts';
import { subscriptionsAttempts, subscriptionsList, subscriptionsShow, subscriptionsTrace } from './inspect.ts';
import { subscriptionsAck, subscriptionsExtend, subscriptionsNack, subscriptionsPull } from './pull.ts';

/** The commands for durable subscriptions, in the order of help and reference. */
export const subscriptionCommands: readonly Command[] = [
  subscriptionsCreate,
  subscriptionsList,
  subscriptionsShow,
  subscriptionsChange,
  subscriptionsPause,
  subscriptionsResume,
  subscriptionsDelete,
  subscriptionsTest,
  subscriptionsReplay,
  subscriptionsRotateSecret,
  subscriptionsAttempts,
  subscriptionsTrace,
  subscriptionsDeadLetters,
  subscriptionsPull,
  subscriptionsAck,
  subscriptionsNack,
  subscriptionsExtend,
];
