import { CLIENT_TRANSPORTS, isPattern, parseCursor } from '@polycast/protocol';
import { OWN_CHANNEL_ALIAS } from '../../core/access/private-channel.ts';
import { JSON_LINES, usageError, type Command, type Input } from '../command.ts';
import { followHub, type FollowOptions } from './follow-hub.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress } from '../hub-address.ts';

const HISTORY_MAX = 1000;
const CHANNELS_MAX = 100;

export const follow: Command = {
  name: 'follow',
  summary: 'Shows events as they arrive.',
  usage: '<channel or pattern…>',
  argumentsMin: 1,
  argumentsMax: CHANNELS_MAX,
  details:
    'It resumes after a lost connection, also on another transport, and reports a gap if events can no longer be delivered. In patterns, * matches one token and a final > matches one or more; quote them. @me is the private channel of the user whose token is --key. Press Ctrl-C to stop; the command then prints how to continue.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    transport: {
      value: 'NAME',
      short: 't',
      multiple: true,
      choices: CLIENT_TRANSPORTS,
      doc: `${CLIENT_TRANSPORTS.join(', ')}; repeatable, the preferred one first; all of them by default.`,
    },
    after: {
      value: 'CURSOR',
      short: 'a',
      doc: 'Begin after this cursor, with earliest (all stored events) or with now.',
    },
    history: { value: 'N', short: 'n', doc: `Begin with the last N events, at most ${HISTORY_MAX}.` },
    type: { value: 'TYPE', multiple: true, doc: 'Only events of this type. Repeatable.' },
    count: { value: 'N', doc: 'Stops after N events.' },
    json: JSON_LINES,
    quiet: { short: 'q', doc: 'Prints nothing about the connection.' },
  },
  examples: [
    { command: "polycast follow 'orders.>'", description: 'all orders from now on' },
    { command: 'polycast follow orders.42 --after earliest', description: 'one order, from the beginning' },
    {
      command: "polycast follow '>' --transport sse --json | jq .data",
      description: 'all events, over Server-Sent Events',
    },
    { command: 'polycast follow @me --key "$token"', description: 'the private events of a user' },
    { command: 'polycast follow alarms --history 10 --count 10', description: 'the last ten events, then stop' },
  ],
  async run(input, terminal) {
    return followHub(hubAddress(input), followOptions(input), terminal);
  },
};

function followOptions(input: Input): FollowOptions {
  const wrong = input.arguments.find((pattern) => pattern !== OWN_CHANNEL_ALIAS && !isPattern(pattern));
  if (wrong !== undefined)
    throw usageError(follow, `"${wrong}" is neither a channel nor a pattern: orders.42, orders.*, orders.>, @me`);
  const after = input.text('after');
  const history = input.number('history', 1);
  if (after !== undefined && history !== undefined)
    throw usageError(follow, '--after and --history exclude each other');
  if (after !== undefined && after !== 'earliest' && after !== 'now' && parseCursor(after) === undefined) {
    throw usageError(follow, `--after ${after}: must be a cursor, earliest or now`);
  }
  if (history !== undefined && history > HISTORY_MAX)
    throw usageError(
      follow,
      `--history ${history}: must be at most ${HISTORY_MAX}; use --after earliest for all events`,
    );
  const transports = input.texts('transport') as FollowOptions['transports'];
  return {
    patterns: input.arguments,
    transports: transports.length === 0 ? CLIENT_TRANSPORTS : transports,
    after,
    history,
    types: input.texts('type'),
    countMax: input.number('count', 1) ?? Infinity,
    json: input.flag('json'),
    quiet: input.flag('quiet'),
  };
}
