import { JSON_DOCUMENT, JSON_LINES, usageError, type Command, type Input, type OptionSpec } from '../../command.ts';
import type { ExitName } from '../../exit-codes.ts';
import type { Terminal } from '../../terminal.ts';
import { EXAMPLE_ID, ONE_ID_ARGUMENT, subscriptionPath, subscriptionCommand } from './subscription-command.ts';
import { optionalMember } from './definition-options.ts';

const LEASES_MAX = 1000;

export const subscriptionsPull: Command = subscriptionCommand({
  word: 'pull',
  summary: 'Pulls events from a queue, each with a lease, and prints one per line.',
  ...ONE_ID_ARGUMENT,
  details:
    'No other worker receives an event until its lease ends. After that, or after polycast subscriptions nack, the hub delivers it again.',
  options: {
    count: { value: 'N', short: 'n', doc: 'The maximum number of events, at most 1000; 10 by default.' },
    wait: { value: 'SECONDS', doc: 'How long to wait for the first event, at most 60.' },
    lease: { value: 'SECONDS', doc: 'The duration of each lease.' },
    ack: { doc: 'Acknowledges the events as soon as they are printed.' },
    json: { doc: `${JSON_LINES.doc} It does so without this option too.` },
  },
  examples: [
    { command: `polycast subscriptions pull ${EXAMPLE_ID} -n 1 --wait 30`, description: 'wait for the next event' },
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
    if (events.length === 0) terminal.notice('No events.');
    else if (input.flag('ack'))
      await request('POST', subscriptionPath(input, '/ack'), { leases: events.map(({ lease }) => lease) });
    return 'done';
  },
});

export const subscriptionsAck: Command = settleCommand({
  word: 'ack',
  summary: 'Acknowledges pulled events.',
  usage: '<id> (<lease…> | --through EVENT)',
  argumentsMin: 1,
  options: { through: { value: 'EVENT', doc: 'All leased events up to and including this one, of all workers.' } },
  examples: [{ command: `polycast subscriptions ack ${EXAMPLE_ID} 4f6c1e9a`, description: 'one event, by its lease' }],
  body(input) {
    const through = input.text('through');
    const leases = input.arguments.slice(1);
    if ((through === undefined) === (leases.length === 0))
      throw usageError(subscriptionsAck, 'give leases, or --through with the id of an event');
    return through === undefined ? { leases } : { through };
  },
});

export const subscriptionsNack: Command = settleCommand({
  word: 'nack',
  summary: 'Releases pulled events. The hub delivers them again.',
  usage: '<id> <lease…>',
  argumentsMin: 2,
  options: { delay: { value: 'SECONDS', doc: 'The delay before the next delivery; none by default.' } },
  examples: [{ command: `polycast subscriptions nack ${EXAMPLE_ID} 4f6c1e9a --delay 60`, description: 'in a minute' }],
  body: (input) => ({ leases: input.arguments.slice(1), ...optionalMember('delaySeconds', input.number('delay', 0)) }),
});

export const subscriptionsExtend: Command = settleCommand({
  word: 'extend',
  summary: 'Extends leases.',
  usage: '<id> <lease…>',
  argumentsMin: 2,
  options: { lease: { value: 'SECONDS', doc: 'The new duration from now; by default that of the subscription.' } },
  examples: [
    {
      command: `polycast subscriptions extend ${EXAMPLE_ID} 4f6c1e9a --lease 300`,
      description: 'by five minutes from now',
    },
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
    details: 'Exits with 1 if a lease was no longer held.',
    options: { ...options, json: JSON_DOCUMENT },
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
