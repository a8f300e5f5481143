import { CLIENT_TRANSPORTS, isPattern, parseCursor } from '@polycast/protocol';
import { OWN_CHANNEL_ALIAS } from '../../core/access/private-channel.ts';
import { usageError, type Command, type Input } from '../command.ts';
import { followHub, type FollowOptions } from './follow-hub.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress } from '../hub-address.ts';

const HISTORY_MAX = 1000;
const CHANNELS_MAX = 100;

export const follow: Command = {
  name: 'follow',
  summary: 'Shows events as they come.',
  usage: '<channel or pattern…>',
  argumentsMin: 1,
  argumentsMax: CHANNELS_MAX,
  details:
    'Keeps its place across lost connections and other transports, and says so when events can no longer be delivered. In patterns * stands for one token and a last > for one or more; quote them. @me is what is sent to the user whose token --key is. Ends with Ctrl-C, and then says where to go on.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    transport: {
      value: 'NAME',
      short: 't',
      multiple: true,
      choices: CLIENT_TRANSPORTS,
      doc: `${CLIENT_TRANSPORTS.join(', ')}; repeatable, the best first. All of them unless given.`,
    },
    after: {
      value: 'CURSOR',
      short: 'a',
      doc: 'Begin after this cursor, with earliest (all that is kept) or with now.',
    },
    history: { value: 'N', short: 'n', doc: `Begin with the last N events, at most ${HISTORY_MAX}.` },
    type: { value: 'TYPE', multiple: true, doc: 'Only events of this type; repeatable.' },
    count: { value: 'N', doc: 'Ends after N events.' },
    json: { doc: 'Prints each event as JSON, one a line.' },
    quiet: { short: 'q', doc: 'Says nothing about the connection.' },
  },
  examples: [
    { command: "polycast follow 'orders.>'", description: 'all orders, from now on' },
    { command: 'polycast follow orders.42 --after earliest', description: 'one order, from the beginning' },
    {
      command: "polycast follow '>' --transport sse --json | jq .data",
      description: 'everything, by Server-Sent Events',
    },
    { command: 'polycast follow @me --key "$token"', description: 'what a user is sent' },
    { command: 'polycast follow alarms --history 10 --count 10', description: 'the last ten, and no more' },
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
    throw usageError(follow, `--after ${after}: a cursor, earliest or now is wanted`);
  }
  if (history !== undefined && history > HISTORY_MAX)
    throw usageError(follow, `--history ${history}: at most ${HISTORY_MAX} are to be had; --after earliest gives all`);
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
