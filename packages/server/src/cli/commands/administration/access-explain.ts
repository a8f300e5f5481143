import { isPattern } from '@polycast/protocol';
import { AccessPolicy } from '../../../core/access/access-policy.ts';
import { explain, userPrincipal } from '../../../core/access/explain-access.ts';
import { isUser, OWN_CHANNEL_ALIAS } from '../../../core/access/private-channel.ts';
import { ANONYMOUS, type Action, type Principal } from '../../../core/access/principal.ts';
import { JSON_DOCUMENT, usageError, type Command, type Input } from '../../command.ts';
import { hubAddress } from '../../hub-address.ts';
import { hubConfig } from '../../hub-config.ts';
import { requestHub } from '../../hub-request.ts';
import { isHubNamed } from './key-admin.ts';
import { KEY_ADMIN_OPTIONS } from './keys.ts';

const ACTIONS: readonly Action[] = ['subscribe', 'publish', 'history', 'presence'];
const ACTION_PHRASES: Readonly<Record<Action, string>> = {
  subscribe: 'subscribe to',
  publish: 'publish to',
  history: 'read the history of',
  presence: 'read the presence of',
};

export const accessExplain: Command = {
  name: 'access explain',
  summary: 'Shows whether a caller may perform an action, and which rule decides.',
  usage: '',
  required: { options: ACTIONS },
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'Without --url it evaluates the configuration only. With --url a running hub answers: it knows its keys, asks the site for rules with `site`, and includes revocations. Without --user and --for-key it evaluates an anonymous caller. Exits with 0 if the action is allowed, and with 1 if not.',
  options: {
    user: { value: 'USER', doc: 'The name of a user of the site.' },
    claims: { value: 'JSON', doc: `The claims of the user, as the site gives them: '{"role":"editor"}'.` },
    'for-key': { value: 'ID', doc: 'The id of a key; only with --url.' },
    subscribe: { value: 'CHANNEL', doc: 'Test subscribing to a channel, a pattern, or @me.' },
    publish: { value: 'CHANNEL', doc: 'Test publishing to a channel.' },
    history: { value: 'CHANNEL', doc: 'Test reading the history of a channel.' },
    presence: { value: 'CHANNEL', doc: 'Test reading the presence of a channel.' },
    ...KEY_ADMIN_OPTIONS,
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: 'polycast access explain --user 42 --subscribe orders.7 --config polycast.yaml',
      description: 'by a configuration',
    },
    {
      command: 'polycast access explain --for-key Ab3dEf6hIj9l --publish orders.7 --url https://hub.example',
      description: 'at a hub',
    },
  ],
  async run(input, { out, style }) {
    const { action, channel } = requestedAction(input);
    const answer = isHubNamed(input)
      ? await atHub(input, action, channel)
      : await byConfiguration(input, action, channel);
    if (input.flag('json')) out(JSON.stringify(answer));
    else {
      const verdict =
        answer.allowed === undefined
          ? style('yellow', 'it depends:')
          : answer.allowed
            ? style('green', 'yes:')
            : style('red', 'no:');
      const needs = answer.needs === undefined ? '' : `; it requires ${answer.needs}`;
      out(
        `${verdict} ${principalText(input)} ${verbFor(answer.allowed)} ${ACTION_PHRASES[action]} ${answer.channel}, by ${answer.by}${needs}`,
      );
      if (answer.tokenClaim !== undefined)
        out(`A token of the user can grant it, with "${answer.channel}" in its claim ${answer.tokenClaim}.`);
      if (answer.revokedBefore !== undefined)
        out(`Credentials of the user issued before ${answer.revokedBefore} are revoked.`);
    }
    return answer.allowed === false ? 'failed' : 'done';
  },
};

interface AccessAnswer {
  readonly allowed?: boolean | undefined;
  readonly channel: string;
  readonly by: string;
  readonly needs?: string | undefined;
  readonly tokenClaim?: string | undefined;
  readonly revokedBefore?: string;
}

async function byConfiguration(input: Input, action: Action, channel: string): Promise<AccessAnswer> {
  if (input.text('for-key') !== undefined) throw usageError(accessExplain, '--for-key needs a running hub: add --url');
  const { config } = await hubConfig(input);
  if (config.access !== 'rules')
    return { allowed: true, channel, by: `access: ${config.access}, so there is no access control` };
  return explain(new AccessPolicy(config.rules, config.defaults), principalOf(input), action, channel);
}

async function atHub(input: Input, action: Action, channel: string): Promise<AccessAnswer> {
  const query = new URLSearchParams({ [action]: channel });
  for (const [name, value] of [
    ['user', input.text('user')],
    ['claims', input.text('claims')],
    ['key', input.text('for-key')],
  ] as const)
    if (value !== undefined) query.set(name, value);
  return (await requestHub(hubAddress(input), 'GET', `/v1/access/explain?${query}`)) as AccessAnswer;
}

function requestedAction(input: Input): { readonly action: Action; readonly channel: string } {
  const [action, ...others] = ACTIONS.filter((each) => input.text(each) !== undefined);
  if (action === undefined || others.length > 0)
    throw usageError(accessExplain, `give one of ${ACTIONS.map((each) => `--${each}`).join(', ')}`);
  const channel = input.text(action) as string;
  if (!isPattern(channel) && !(channel === OWN_CHANNEL_ALIAS && input.text('user') !== undefined))
    throw usageError(accessExplain, `"${channel}" is neither a channel nor a pattern: orders.42, orders.*, orders.>`);
  return { action, channel };
}

function principalOf(input: Input): Principal {
  const user = input.text('user');
  const claims = input.text('claims');
  if (user === undefined) {
    if (claims !== undefined) throw usageError(accessExplain, '--claims needs --user');
    return ANONYMOUS;
  }
  if (!isUser(user)) throw usageError(accessExplain, `--user ${user}: must have 1 to 128 characters`);
  return userPrincipal(user, claimsOf(claims ?? '{}'));
}

function claimsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // The error follows below.
  }
  throw usageError(accessExplain, `--claims ${text}: must be a JSON object`);
}

function principalText(input: Input): string {
  const user = input.text('user');
  const key = input.text('for-key');
  if (user !== undefined) return `user ${user}`;
  return key === undefined ? 'an anonymous caller' : `key ${key}`;
}

function verbFor(allowed: boolean | undefined): string {
  if (allowed === undefined) return 'might';
  return allowed ? 'may' : 'may not';
}
