import { usageError, type Command, type Input, type OptionSpec } from '../command.ts';
import type { ExitName } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import { EXAMPLE_ID, JSON_OPTION, OF_ONE, pathOf, subscriptionCommand } from './asking.ts';
import { given } from './wishes.ts';

const LEASES_MAX = 1000;

export const subscriptionsPull: Command = subscriptionCommand({
  word: 'pull',
  summary: 'Takes events from a queue, each with a lease; prints one a line.',
  ...OF_ONE,
  details:
    'Until its lease ends nobody else is given an event; then, or with polycast subscriptions nack, it is given out again.',
  options: {
    count: { value: 'N', short: 'n', doc: 'Up to so many, at most 1000; 10 unless given.' },
    wait: { value: 'SECONDS', doc: 'Waits so long for the first one, at most 60.' },
    lease: { value: 'SECONDS', doc: 'How long each lease is.' },
    ack: { doc: 'Acknowledges them as soon as they are printed.' },
  },
  examples: [
    { command: `polycast subscriptions pull ${EXAMPLE_ID} -n 1 --wait 30`, does: 'the next one, when it comes' },
  ],
  async run(ask, input, terminal) {
    const body = {
      ...given('count', input.number('count', 1)),
      ...given('waitSeconds', input.number('wait', 0)),
      ...given('leaseSeconds', input.number('lease', 1)),
    };
    const { events } = (await ask('POST', pathOf(input, '/pull'), body)) as { events: { lease: string }[] };
    for (const event of events) terminal.out(JSON.stringify(event));
    if (events.length === 0) terminal.note('There is nothing.');
    else if (input.flag('ack')) await ask('POST', pathOf(input, '/ack'), { leases: events.map(({ lease }) => lease) });
    return 'done';
  },
});

export const subscriptionsAck: Command = settling({
  word: 'ack',
  summary: 'Acknowledges events that were pulled: they are done.',
  usage: '<id> [lease…]',
  argumentsMin: 1,
  options: { through: { value: 'EVENT', doc: 'All that are leased up to and with this event, whoever has them.' } },
  examples: [{ command: `polycast subscriptions ack ${EXAMPLE_ID} 4f6c1e9a`, does: 'one, by its lease' }],
  body(input) {
    const through = input.text('through');
    const leases = input.arguments.slice(1);
    if ((through === undefined) === (leases.length === 0))
      throw usageError(subscriptionsAck, 'say which: their leases, or --through an event');
    return through === undefined ? { leases } : { through };
  },
});

export const subscriptionsNack: Command = settling({
  word: 'nack',
  summary: 'Gives back events that were pulled: they are given out again.',
  usage: '<id> <lease…>',
  argumentsMin: 2,
  options: { delay: { value: 'SECONDS', doc: 'Not before so long; at once unless given.' } },
  examples: [{ command: `polycast subscriptions nack ${EXAMPLE_ID} 4f6c1e9a --delay 60`, does: 'in a minute' }],
  body: (input) => ({ leases: input.arguments.slice(1), ...given('delaySeconds', input.number('delay', 0)) }),
});

export const subscriptionsExtend: Command = settling({
  word: 'extend',
  summary: 'Has leases end later.',
  usage: '<id> <lease…>',
  argumentsMin: 2,
  options: { lease: { value: 'SECONDS', doc: 'So long from now; as the subscription has it unless given.' } },
  examples: [
    { command: `polycast subscriptions extend ${EXAMPLE_ID} 4f6c1e9a --lease 300`, does: 'five minutes more' },
  ],
  body: (input) => ({ leases: input.arguments.slice(1), ...given('leaseSeconds', input.number('lease', 1)) }),
});

interface Settling extends Pick<Command, 'summary' | 'usage' | 'argumentsMin' | 'examples'> {
  readonly word: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  body(input: Input): object;
}

/** What becomes of leases. */
function settling({ body, options, ...command }: Settling): Command {
  return subscriptionCommand({
    ...command,
    argumentsMax: LEASES_MAX + 1,
    details: 'Ends with 1 when a lease was not held any more.',
    options: { ...options, json: JSON_OPTION },
    async run(ask, input, terminal) {
      const answer = await ask('POST', pathOf(input, `/${command.word}`), body(input));
      return told(answer as Settled, input, terminal);
    },
  });
}

interface Settled {
  readonly count: number;
  readonly notHeld: readonly string[];
}

function told(settled: Settled, input: Input, { out, note, noteStyle }: Terminal): ExitName {
  const { count, notHeld } = settled;
  out(input.flag('json') ? JSON.stringify(settled) : String(count));
  for (const lease of notHeld) note(`${noteStyle('red', 'not held')} ${lease}`);
  return notHeld.length === 0 ? 'done' : 'failed';
}
