import { JSON_LINES, usageError, type Command } from '../../command.ts';
import { withKeyAdmin, type AuditEntryView } from './key-admin.ts';
import { KEY_ADMIN_OPTIONS } from './keys.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1000;

export const audit: Command = {
  name: 'audit',
  summary: 'Shows the audit log of a hub, newest last.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'The log contains created, rotated and revoked keys, revoked and disconnected users, and similar actions. With --url it reads from a running hub and needs a key with the scope admin. Without --url it reads the data folder of a stopped hub.',
  options: {
    ...KEY_ADMIN_OPTIONS,
    limit: {
      value: 'N',
      short: 'n',
      doc: `The number of newest entries, at most ${LIMIT_MAX}; ${LIMIT_DEFAULT} by default.`,
    },
    json: JSON_LINES,
  },
  examples: [{ command: 'polycast audit --limit 10', description: 'the newest ten' }],
  async run(input, { out, style }) {
    const limit = input.number('limit', 1) ?? LIMIT_DEFAULT;
    if (limit > LIMIT_MAX) throw usageError(audit, `--limit ${limit}: at most ${LIMIT_MAX}`);
    const entries = await withKeyAdmin(input, (admin) => admin.audit(limit));
    for (const entry of entries.toReversed()) {
      const { time, action, subject, detail } = entry;
      if (input.flag('json')) out(JSON.stringify(entry));
      else
        out(
          `${style('dim', time)} ${style('cyan', action)} ${subject} ${style('dim', `by ${actorText(entry)}`)} ${style('dim', JSON.stringify(detail))}`,
        );
    }
    return 'done';
  },
};

function actorText({ by: { kind, key, name, user, address } }: AuditEntryView): string {
  const actor = key === undefined ? (user ?? '') : `${key} (${name ?? 'deleted'})`;
  return [kind, actor, address === undefined ? '' : `from ${address}`].filter((part) => part !== '').join(' ');
}
