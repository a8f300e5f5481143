import { JSON_DOCUMENT, usageError, type Command } from '../../command.ts';
import { withKeyAdmin, type RevocationKind } from './key-admin.ts';
import { KEY_ADMIN_OPTIONS } from './keys.ts';

const KINDS: readonly RevocationKind[] = ['user', 'token', 'key', 'session'];

export const revoke: Command = {
  name: 'revoke',
  summary: 'Revokes the credentials of a user, a token, a key or a session.',
  usage: `<${KINDS.join('|')}> <name>`,
  argumentsMin: 2,
  argumentsMax: 2,
  details:
    'The hub refuses credentials issued until now, also after a restart, and closes their connections within a second. Credentials issued later are valid. To revoke a key permanently, use polycast keys revoke. With --url it uses a running hub and needs a key with the scope admin. Without --url it uses the data folder of a stopped hub.',
  options: { ...KEY_ADMIN_OPTIONS, json: JSON_DOCUMENT },
  examples: [
    { command: 'polycast revoke user 42', description: 'all credentials of a user' },
    { command: 'polycast revoke token 3f2a9c', description: 'one token, by its jti' },
  ],
  async run(input, { out, style }) {
    const [kind = '', name = ''] = input.arguments;
    const known = KINDS.find((each) => each === kind);
    if (known === undefined) throw usageError(revoke, `"${kind}" is not one of ${KINDS.join(', ')}`);
    // oxlint-disable-next-line no-control-regex
    if (name === '' || name.length > 256 || /[\u0000-\u001f\u007f]/.test(name))
      throw usageError(revoke, 'a name has 1 to 256 characters');
    await withKeyAdmin(input, (admin) => admin.revokeAll(known, name));
    const text = `${style('green', 'revoked')} ${kind} ${name}`;
    out(input.flag('json') ? JSON.stringify({ kind, name, revoked: true }) : text);
    return 'done';
  },
};
