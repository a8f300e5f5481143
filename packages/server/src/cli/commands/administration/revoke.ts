import { usageError, type Command } from '../../command.ts';
import { withKeyAdmin, type RevocationKind } from './key-admin.ts';
import { KEY_ADMIN_OPTIONS } from './keys.ts';

const KINDS: readonly RevocationKind[] = ['user', 'token', 'key', 'session'];

export const revoke: Command = {
  name: 'revoke',
  summary: 'Takes back what a user, a token, a key or a session was given.',
  usage: `<${KINDS.join('|')}> <name>`,
  argumentsMin: 2,
  argumentsMax: 2,
  details:
    'What was given out until now is refused from now on, also after a restart, and its connections end within a second; what is given out later is good again. A key is rather revoked for good by polycast keys revoke. With --url at a hub that runs, by a key with the scope admin; without it in the data folder of a hub that does not.',
  options: KEY_ADMIN_OPTIONS,
  examples: [
    { command: 'polycast revoke user 42', description: 'all of a user' },
    { command: 'polycast revoke token 3f2a9c', description: 'one token, by its jti' },
  ],
  async run(input, { out, style }) {
    const [kind = '', name = ''] = input.arguments;
    const known = KINDS.find((each) => each === kind);
    if (known === undefined) throw usageError(revoke, `"${kind}" is none of ${KINDS.join(', ')}`);
    // oxlint-disable-next-line no-control-regex
    if (name === '' || name.length > 256 || /[\u0000-\u001f\u007f]/.test(name))
      throw usageError(revoke, 'a name has 1 to 256 characters');
    await withKeyAdmin(input, (admin) => admin.revokeAll(known, name));
    out(`${style('green', 'revoked')} ${kind} ${name}`);
    return 'done';
  },
};
