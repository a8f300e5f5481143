import type { Grants } from '../../../core/access/principal.ts';
import { scopeTexts, scopesProblem } from '../../../core/access/scopes.ts';
import { JSON_DOCUMENT, JSON_LINES, usageError, type Command, type Input, type OptionSpec } from '../../command.ts';
import { CliError } from '../../exit-codes.ts';
import { HUB_ADDRESS_OPTIONS } from '../../hub-address.ts';
import { DATA_FOLDER_OPTIONS } from '../../hub-config.ts';
import { withKeyAdmin, type KeyView } from './key-admin.ts';
import type { Terminal } from '../../terminal.ts';

/** The options of every command that works at a hub or in a data folder. */
export const KEY_ADMIN_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  ...HUB_ADDRESS_OPTIONS,
  url: {
    ...HUB_ADDRESS_OPTIONS.url,
    doc: 'A running hub (or POLYCAST_URL). Without it, or with --data or --config, the command uses the data folder of a stopped hub.',
  },
  ...DATA_FOLDER_OPTIONS,
};
const KEY_ADMIN_DETAILS =
  'With --url it uses a running hub and needs a key with the scope admin. Without --url it uses the data folder of a stopped hub.';

export const keysList: Command = {
  name: 'keys list',
  summary: 'Lists the keys of a hub.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details: `${KEY_ADMIN_DETAILS} The hub does not store the secrets and cannot show them.`,
  options: { ...KEY_ADMIN_OPTIONS, json: JSON_LINES },
  examples: [
    {
      command: 'polycast keys list --url http://127.0.0.1:7400',
      description: 'keys of a running hub, with POLYCAST_KEY set',
    },
    { command: 'polycast keys list --data /var/lib/polycast', description: 'keys of a stopped hub' },
  ],
  async run(input, terminal) {
    const keys = await withKeyAdmin(input, (admin) => admin.list());
    if (input.flag('json')) for (const key of keys) terminal.out(JSON.stringify(key));
    else if (keys.length === 0) terminal.notice('No entries.');
    else for (const line of table(keys)) terminal.out(line);
    return 'done';
  },
};

export const keysCreate: Command = {
  name: 'keys create',
  summary: 'Creates a key for a server and prints it once.',
  usage: '<name>',
  required: { options: ['publish', 'subscribe', 'subscriptions', 'users', 'admin'], several: true },
  argumentsMin: 1,
  argumentsMax: 1,
  details: `${KEY_ADMIN_DETAILS} A key with --admin can create keys with any scope.`,
  options: {
    ...KEY_ADMIN_OPTIONS,
    publish: {
      value: 'PATTERN',
      multiple: true,
      doc: "The key may publish to these channels; '>' means all. Repeatable.",
    },
    subscribe: {
      value: 'PATTERN',
      multiple: true,
      doc: 'The key may read these channels and their history. Repeatable.',
    },
    subscriptions: {
      value: 'PATTERN',
      multiple: true,
      doc: "The key may manage durable subscriptions to these channels; '>' means all. It also needs --subscribe for the delivered channels. Repeatable.",
    },
    users: { doc: 'The key may read, disconnect and reauthorize users.' },
    admin: { doc: 'The key may manage keys, revoke credentials and read the audit log. Includes --users.' },
    expires: {
      value: 'WHEN',
      doc: 'The expiry, as a duration (90d, 12h, 30m) or a time (2027-01-31T12:00:00Z); never by default.',
    },
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: "polycast keys create shop --publish 'orders.>' --publish 'polycast.private.>'",
      description: 'for a backend that publishes',
    },
    {
      command: "polycast keys create hooks --subscriptions 'orders.>' --subscribe 'orders.>'",
      description: 'for a backend that receives events',
    },
    {
      command: "polycast keys create site --publish 'polycast.private.>' --users",
      description: 'for a site that sends messages, and logs users out',
    },
    { command: 'polycast keys create ci --admin --expires 1h', description: 'for an hour' },
  ],
  async run(input, terminal) {
    const [name = ''] = input.arguments;
    const scopes = scopesOf(input);
    // oxlint-disable-next-line no-control-regex
    if (name === '' || name.length > 100 || /[\u0000-\u001f\u007f]/.test(name))
      throw usageError(keysCreate, 'a name has 1 to 100 characters');
    const expires = expiryOf(input);
    const created = await withKeyAdmin(input, (admin) => admin.create({ name, scopes, expires }));
    return show(created, input, terminal, `created ${created.id} (${created.name})`);
  },
};

export const keysRotate: Command = {
  name: 'keys rotate',
  summary: 'Creates a new secret for a key and prints it once.',
  usage: '<id>',
  argumentsMin: 1,
  argumentsMax: 1,
  details: `${KEY_ADMIN_DETAILS} The old secret stays valid for a day, so that you have time to install the new one. Use --overlap 0 for a key that has leaked.`,
  options: {
    ...KEY_ADMIN_OPTIONS,
    overlap: { value: 'SECONDS', doc: 'How long the old secret stays valid; 86400 by default, at most 2592000.' },
    json: JSON_DOCUMENT,
  },
  examples: [
    { command: 'polycast keys rotate Ab3dEf6hIj9l', description: 'the old secret stays valid for a day' },
    { command: 'polycast keys rotate Ab3dEf6hIj9l --overlap 0', description: 'without overlap, after a leak' },
  ],
  async run(input, terminal) {
    const overlapSeconds = input.number('overlap', 0);
    if (overlapSeconds !== undefined && overlapSeconds > 2_592_000)
      throw usageError(keysRotate, '--overlap: at most 2592000 seconds, 30 days');
    const id = idOf(input);
    const created = await withKeyAdmin(input, (admin) => admin.rotate(id, overlapSeconds));
    const until =
      created.overlapUntil === null
        ? 'the old secret is no longer valid'
        : `the old secret is valid until ${created.overlapUntil}`;
    return show(created, input, terminal, `rotated ${created.id} (${created.name}); ${until}`);
  },
};

export const keysRevoke: Command = {
  name: 'keys revoke',
  summary: 'Revokes a key immediately and permanently.',
  usage: '<id>',
  argumentsMin: 1,
  argumentsMax: 1,
  details: `${KEY_ADMIN_DETAILS} The hub closes connections of the key within a second.`,
  options: { ...KEY_ADMIN_OPTIONS, json: JSON_DOCUMENT },
  examples: [{ command: 'polycast keys revoke Ab3dEf6hIj9l', description: 'by its id, shown by polycast keys list' }],
  async run(input, { out, style }) {
    const id = idOf(input);
    await withKeyAdmin(input, (admin) => admin.revoke(id));
    out(input.flag('json') ? JSON.stringify({ id, revoked: true }) : `${style('green', 'revoked')} ${id}`);
    return 'done';
  },
};

function scopesOf(input: Input): Grants {
  const scopes = {
    ...(input.texts('publish').length > 0 && { publish: input.texts('publish') }),
    ...(input.texts('subscribe').length > 0 && { subscribe: input.texts('subscribe') }),
    ...(input.texts('subscriptions').length > 0 && { subscriptions: input.texts('subscriptions') }),
    ...(input.flag('users') && { users: ['>'] }),
    ...(input.flag('admin') && { admin: ['>'] }),
  };
  const wrong = scopesProblem(scopes);
  if (wrong !== undefined) throw usageError(keysCreate, wrong);
  return scopes;
}

/** Prints only the key on standard output, so that a script can read it. */
function show(created: KeyView, input: Input, { out, notice, noticeStyle }: Terminal, what: string): 'done' {
  if (input.flag('json')) out(JSON.stringify(created));
  else {
    notice(`${noticeStyle('green', what)}: ${scopeTexts(created.scopes).join(', ')}`);
    notice(noticeStyle('dim', 'The key, shown only once:'));
    out(created.key ?? '');
  }
  return 'done';
}

function table(keys: readonly KeyView[]): string[] {
  const rows = keys.map(({ id, name, scopes, lastUsed, expires, overlapUntil }) => [
    id,
    name,
    scopeTexts(scopes).join(' '),
    lastUsed === null ? 'never used' : `used ${minute(lastUsed)}`,
    expires === null ? 'no expiry' : `expires ${minute(expires)}`,
    overlapUntil === null ? '' : `rotating until ${minute(overlapUntil)}`,
  ]);
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd(),
  );
}

function minute(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')}Z`;
}

/** The id in the argument, which may also be a whole key, such as a leaked one. */
function idOf(input: Input): string {
  const [text = ''] = input.arguments;
  return /^pck_([0-9A-Za-z]+)_/.exec(text)?.[1] ?? text;
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function expiryOf(input: Input): string | null {
  const text = input.text('expires');
  if (text === undefined) return null;
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const timeMs = count === undefined ? Date.parse(text) : Date.now() + Number(count) * (UNITS[unit] ?? 0);
  if (Number.isNaN(timeMs) || timeMs <= Date.now())
    throw new CliError('usage', `--expires ${text}: must be a future time such as 90d, 12h or 2027-01-31T12:00:00Z`);
  return new Date(timeMs).toISOString();
}
