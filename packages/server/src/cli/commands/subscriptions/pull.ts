import { usageError, type Command, type Input, type OptionSpec } from '../../command.ts';
import type { ExitName } from '../../exit-codes.ts';
import type { Terminal } from '../../terminal.ts';
import {
  EXAMPLE_ID,
  JSON_OPTION,
  ONE_ID_ARGUMENT,
  subscriptionPath,
  subscriptionCommand,
} from './subscription-command.ts';
import { optionalMember } from './definition-options.ts';

const LEASES_MAX = 1000;

export const subscriptionsPull: Command = subscriptionCommand({
  word: 'pull',
  summary: 'Takes events from a queue, each with a lease; prints one a line.',
  ...ONE_ID_ARGUMENT,
  details:
    'Until its lease ends nobody else is given an event; then, or with polycast subscriptions nack, it is given out again.',
  options: {
    count: { value: 'N', short: 'n', doc: 'Up to so many, at most 1000; 10 unless given.' },
    wait: { value: 'SECONDS', doc: 'Waits so long for the first one, at most 60.' },
    lease: { value: 'SECONDS', doc: 'How long each lease is.' },
    ack: { doc: 'Acknowledges them as soon as they are printed.' },
  },
  examples: [
    { command: `polycast subscriptions pull ${EXAMPLE_ID} -n 1 --wait 30`, description: 'the next one, when it comes' },
  ],
  async run(request, input, terminal) {
    const body = {
      ...optionalMember('count', input.number('count', 1)),
      ...optionalMember('waitSeconds', input.number('wait', 0)),
      ...optionalMember('leaseSeconds', input.number('lease', 1)),
    };
    const { events } = (await request('POST', subscriptionPath(input, '/pull'), body)) as {
      events: { lease: string }[];
    };
    for (const event of events) terminal.out(JSON.stringify(event));
    if (events.length === 0) terminal.notice('There is nothing.');
    else if (input.flag('ack'))
      await request('POST', subscriptionPath(input, '/ack'), { leases: events.map(({ lease }) => lease) });
    return 'done';
  },
});

export const subscriptionsAck: Command = settleCommand({
  word: 'ack',
  summary: 'Acknowledges events that were pulled: they are done.',
  usage: '<id> [lease…]',
  argumentsMin: 1,
  options: { through: { value: 'EVENT', doc: 'All that are leased up to and with this event, whoever has them.' } },
  examples: [{ command: `polycast subscriptions ack ${EXAMPLE_ID} 4f6c1e9a`, description: 'one, by its lease' }],
  body(input) {
    const through = input.text('through');
    const leases = input.arguments.slice(1);
    if ((through === undefined) === (leases.length === 0))
      throw usageError(subscriptionsAck, 'say which: their leases, or --through an event');
    return through === undefined ? { leases } : { through };
  },
});

export const subscriptionsNack: Command = settleCommand({
  word: 'nack',
  summary: 'Gives back events that were pulled: they are given out again.',
  usage: '<id> <lease…>',
  argumentsMin: 2,
  options: { delay: { value: 'SECONDS', doc: 'Not before so long; at once unless given.' } },
  examples: [{ command: `polycast subscriptions nack ${EXAMPLE_ID} 4f6c1e9a --delay 60`, description: 'in a minute' }],
  body: (input) => ({ leases: input.arguments.slice(1), ...optionalMember('delaySeconds', input.number('delay', 0)) }),
});

export const subscriptionsExtend: Command = settleCommand({
  word: 'extend',
  summary: 'Has leases end later.',
  usage: '<id> <lease…>',
  argumentsMin: 2,
  options: { lease: { value: 'SECONDS', doc: 'So long from now; as the subscription has it unless given.' } },
  examples: [
    { command: `polycast subscriptions extend ${EXAMPLE_ID} 4f6c1e9a --lease 300`, description: 'five minutes more' },
  ],
  body: (input) => ({ leases: input.arguments.slice(1), ...optionalMember('leaseSeconds', input.number('lease', 1)) }),
});

interface SettleCommandOptions extends Pick<Command, 'summary' | 'usage' | 'argumentsMin' | 'examples'> {
  readonly word: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  body(input: Input): object;
}

/** Makes a command that settles or extends leases. */
function settleCommand({ body, options, ...command }: SettleCommandOptions): Command {
  return subscriptionCommand({
    ...command,
    argumentsMax: LEASES_MAX + 1,
    details: 'Ends with 1 when a lease was not held any more.',
    options: { ...options, json: JSON_OPTION },
    async run(request, input, terminal) {
      const answer = await request('POST', subscriptionPath(input, `/${command.word}`), body(input));
      return printResult(answer as SettleResult, input, terminal);
    },
  });
}

interface SettleResult {
  readonly count: number;
  readonly notHeld: readonly string[];
}

function printResult(settled: SettleResult, input: Input, { out, notice, noticeStyle }: Terminal): ExitName {
  const { count, notHeld } = settled;
  out(input.flag('json') ? JSON.stringify(settled) : String(count));
  for (const lease of notHeld) notice(`${noticeStyle('red', 'not held')} ${lease}`);
  return notHeld.length === 0 ? 'done' : 'failed';
}
