import { erase } from './commands/administration/erase.ts';
import { accessExplain } from './commands/administration/access-explain.ts';
import { audit } from './commands/administration/audit.ts';
import type { Command } from './command.ts';
import { clusterExport } from './commands/cluster/cluster-export.ts';
import { clusterImport } from './commands/cluster/cluster-import.ts';
import { clusterJoin } from './commands/cluster/cluster-join.ts';
import { clusterStatus } from './commands/cluster/cluster-status.ts';
import { completionCommand } from './commands/completion.ts';
import { configCheck, configPrint, configReference } from './commands/config.ts';
import { backup } from './commands/data/backup.ts';
import { restore } from './commands/data/restore.ts';
import { dev } from './commands/serve/dev.ts';
import { epochRenew } from './commands/epoch-renew.ts';
import { follow } from './commands/follow.ts';
import { keysCreate, keysList, keysRevoke, keysRotate } from './commands/administration/keys.ts';
import { channels, users } from './commands/lists.ts';
import { listen } from './commands/listen/listen.ts';
import { publish } from './commands/publish/publish.ts';
import { doctor } from './commands/operate/doctor/doctor.ts';
import { top } from './commands/operate/top/top.ts';
import { sessions, sessionEnd } from './commands/operate/sessions.ts';
import { why } from './commands/operate/why.ts';
import { status } from './commands/operate/status.ts';
import { reload } from './commands/reload.ts';
import { revoke } from './commands/administration/revoke.ts';
import { serve } from './commands/serve/serve.ts';
import { subscriptionCommands } from './commands/subscriptions/commands.ts';
import { webhookVerify } from './commands/webhook/verify.ts';

const commandsWithoutCompletion: readonly Command[] = [
  dev,
  serve,
  publish,
  follow,
  listen,
  status,
  top,
  doctor,
  ...subscriptionCommands,
  keysList,
  keysCreate,
  keysRotate,
  keysRevoke,
  revoke,
  erase,
  accessExplain,
  audit,
  users,
  channels,
  sessions,
  sessionEnd,
  why,
  webhookVerify,
  configCheck,
  configPrint,
  configReference,
  reload,
  backup,
  restore,
  epochRenew,
  clusterStatus,
  clusterJoin,
  clusterImport,
  clusterExport,
];

/** All commands, in the order of help and reference. */
export const commands: readonly Command[] = [
  ...commandsWithoutCompletion,
  completionCommand(commandsWithoutCompletion),
];
