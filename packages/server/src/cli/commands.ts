import type { Command } from './command.ts';
import { dev } from './commands/serve/dev.ts';
import { serve } from './commands/serve/serve.ts';

type LoadCommand = () => Promise<Command>;

/**
 * All commands by their names, in the order of help and reference. A command is loaded when it is
 * used, so a hub has no other in memory, and its start reads none. Those that run a hub are here
 * already: a file of their own would cost their start half a millisecond.
 */
const LOADERS = new Map<string, LoadCommand>([
  ['dev', () => Promise.resolve(dev)],
  ['serve', () => Promise.resolve(serve)],
  ['publish', async () => (await import('./commands/publish/publish.ts')).publish],
  ['follow', async () => (await import('./commands/follow.ts')).follow],
  ['listen', async () => (await import('./commands/listen/listen.ts')).listen],
  ['status', async () => (await import('./commands/operate/status.ts')).status],
  ['top', async () => (await import('./commands/operate/top/top.ts')).top],
  ['doctor', async () => (await import('./commands/operate/doctor/doctor.ts')).doctor],
  ['subscriptions create', async () => (await import('./commands/subscriptions/create.ts')).subscriptionsCreate],
  ['subscriptions list', async () => (await import('./commands/subscriptions/inspect.ts')).subscriptionsList],
  ['subscriptions show', async () => (await import('./commands/subscriptions/inspect.ts')).subscriptionsShow],
  ['subscriptions change', async () => (await import('./commands/subscriptions/create.ts')).subscriptionsChange],
  ['subscriptions pause', async () => (await import('./commands/subscriptions/manage.ts')).subscriptionsPause],
  ['subscriptions resume', async () => (await import('./commands/subscriptions/manage.ts')).subscriptionsResume],
  ['subscriptions delete', async () => (await import('./commands/subscriptions/manage.ts')).subscriptionsDelete],
  ['subscriptions test', async () => (await import('./commands/subscriptions/manage.ts')).subscriptionsTest],
  ['subscriptions replay', async () => (await import('./commands/subscriptions/manage.ts')).subscriptionsReplay],
  [
    'subscriptions rotate-secret',
    async () => (await import('./commands/subscriptions/manage.ts')).subscriptionsRotateSecret,
  ],
  ['subscriptions attempts', async () => (await import('./commands/subscriptions/inspect.ts')).subscriptionsAttempts],
  ['subscriptions trace', async () => (await import('./commands/subscriptions/inspect.ts')).subscriptionsTrace],
  [
    'subscriptions dead-letters',
    async () => (await import('./commands/subscriptions/dead-letters.ts')).subscriptionsDeadLetters,
  ],
  ['subscriptions pull', async () => (await import('./commands/subscriptions/pull.ts')).subscriptionsPull],
  ['subscriptions ack', async () => (await import('./commands/subscriptions/pull.ts')).subscriptionsAck],
  ['subscriptions nack', async () => (await import('./commands/subscriptions/pull.ts')).subscriptionsNack],
  ['subscriptions extend', async () => (await import('./commands/subscriptions/pull.ts')).subscriptionsExtend],
  ['keys list', async () => (await import('./commands/administration/keys.ts')).keysList],
  ['keys create', async () => (await import('./commands/administration/keys.ts')).keysCreate],
  ['keys rotate', async () => (await import('./commands/administration/keys.ts')).keysRotate],
  ['keys revoke', async () => (await import('./commands/administration/keys.ts')).keysRevoke],
  ['revoke', async () => (await import('./commands/administration/revoke.ts')).revoke],
  ['erase', async () => (await import('./commands/administration/erase.ts')).erase],
  ['access explain', async () => (await import('./commands/administration/access-explain.ts')).accessExplain],
  ['audit', async () => (await import('./commands/administration/audit.ts')).audit],
  ['users', async () => (await import('./commands/lists.ts')).users],
  ['channels', async () => (await import('./commands/lists.ts')).channels],
  ['sessions', async () => (await import('./commands/operate/sessions.ts')).sessions],
  ['session end', async () => (await import('./commands/operate/sessions.ts')).sessionEnd],
  ['why', async () => (await import('./commands/operate/why.ts')).why],
  ['webhook verify', async () => (await import('./commands/webhook/verify.ts')).webhookVerify],
  ['config check', async () => (await import('./commands/config.ts')).configCheck],
  ['config print', async () => (await import('./commands/config.ts')).configPrint],
  ['config reference', async () => (await import('./commands/config.ts')).configReference],
  ['reload', async () => (await import('./commands/reload.ts')).reload],
  ['backup', async () => (await import('./commands/data/backup.ts')).backup],
  ['restore', async () => (await import('./commands/data/restore.ts')).restore],
  ['epoch renew', async () => (await import('./commands/epoch-renew.ts')).epochRenew],
  ['cluster status', async () => (await import('./commands/cluster/cluster-status.ts')).clusterStatus],
  ['cluster join', async () => (await import('./commands/cluster/cluster-join.ts')).clusterJoin],
  ['cluster import', async () => (await import('./commands/cluster/cluster-import.ts')).clusterImport],
  ['cluster export', async () => (await import('./commands/cluster/cluster-export.ts')).clusterExport],
  ['completion', async () => (await import('./commands/completion.ts')).completionCommand(loadCommands)],
]);

export const commandNames: readonly string[] = [...LOADERS.keys()];

/** @param name one of `commandNames` */
export function loadCommand(name: string): Promise<Command> {
  const load = LOADERS.get(name);
  if (load === undefined) throw new TypeError(`${name} is not a command`);
  return load();
}

/** In the order of `commandNames`. */
export function loadCommands(names: readonly string[] = commandNames): Promise<Command[]> {
  return Promise.all(names.map(loadCommand));
}
