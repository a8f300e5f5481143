import { accessExplain } from './access.ts';
import { audit } from './audit.ts';
import type { Command } from './command.ts';
import { completionCommand } from './completion.ts';
import { configCheck, configPrint, configReference } from './config-commands.ts';
import { dev } from './dev.ts';
import { epochRenew } from './epoch.ts';
import { follow } from './follow.ts';
import { keysCreate, keysList, keysRevoke, keysRotate } from './keys.ts';
import { channels, users } from './lists.ts';
import { listen } from './listen/listen.ts';
import { publish } from './publish.ts';
import { revoke } from './revoke.ts';
import { serve } from './serve.ts';
import { subscriptionCommands } from './subscriptions/commands.ts';
import { webhookVerify } from './webhook/webhook-verify.ts';

const working: readonly Command[] = [
  dev,
  serve,
  publish,
  follow,
  listen,
  ...subscriptionCommands,
  keysList,
  keysCreate,
  keysRotate,
  keysRevoke,
  revoke,
  accessExplain,
  audit,
  users,
  channels,
  webhookVerify,
  configCheck,
  configPrint,
  configReference,
  epochRenew,
];

/** All commands, in the order of help and reference. */
export const commands: readonly Command[] = [...working, completionCommand(working)];
