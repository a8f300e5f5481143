import { JSON_LINES, usageError, type Command, type Input } from '../../command.ts';
import { printable, type Terminal } from '../../terminal.ts';
import {
  EXAMPLE_ID,
  subscriptionPath,
  queryString,
  subscriptionCommand,
  type HubRequester,
} from './subscription-command.ts';

export const subscriptionsDeadLetters: Command = subscriptionCommand({
  word: 'dead-letters',
  summary: 'Lists, shows, retries or discards dead letters.',
  usage: '<id> [event]',
  argumentsMin: 1,
  argumentsMax: 2,
  options: {
    retry: { doc: 'Retries the event, or with --all every dead letter.' },
    discard: { doc: 'Discards the event, or with --all every dead letter.' },
    all: { doc: 'With --retry or --discard: all dead letters.' },
    json: JSON_LINES,
  },
  examples: [
    { command: `polycast subscriptions dead-letters ${EXAMPLE_ID}`, description: 'list dead letters' },
    {
      command: `polycast subscriptions dead-letters ${EXAMPLE_ID} 0t24qj92dx-00000001006`,
      description: 'show one with its event',
    },
    {
      command: `polycast subscriptions dead-letters ${EXAMPLE_ID} --retry --all`,
      description: 'retry all',
    },
  ],
  async run(request, input, terminal) {
    const isRetry = input.flag('retry');
    if (isRetry && input.flag('discard'))
      throw usageError(subscriptionsDeadLetters, 'give --retry or --discard, not both');
    if (!isRetry && !input.flag('discard') && input.flag('all'))
      throw usageError(subscriptionsDeadLetters, '--all needs --retry or --discard');
    if (isRetry || input.flag('discard')) await dispose(request, input, terminal, isRetry);
    else if (input.arguments[1] === undefined) await list(request, input, terminal);
    else terminal.out(JSON.stringify(await request('GET', subscriptionPath(input, `/dead-letters${eventOf(input)}`))));
    return 'done';
  },
});

async function dispose(request: HubRequester, input: Input, { out, style }: Terminal, isRetry: boolean): Promise<void> {
  const isOne = input.arguments[1] !== undefined;
  if (isOne === input.flag('all'))
    throw usageError(subscriptionsDeadLetters, `give the id of an event or --all${isOne ? ', not both' : ''}`);
  const path = subscriptionPath(input, `/dead-letters${eventOf(input)}`);
  const answer = isRetry ? await request('POST', `${path}/retry`) : await request('DELETE', path);
  const { retried, discarded } = answer as { retried?: number; discarded?: number };
  if (input.flag('json')) out(JSON.stringify(answer));
  else out(`${style('green', isRetry ? 'retried' : 'discarded')} ${retried ?? discarded}`);
}

async function list(request: HubRequester, input: Input, { out, notice, style }: Terminal): Promise<void> {
  let after: string | null = '';
  let count = 0;
  while (after !== null) {
    const page = (await request(
      'GET',
      subscriptionPath(input, `/dead-letters${queryString({ after: after || undefined })}`),
    )) as Page;
    for (const deadLetter of page.deadLetters) {
      const { event, channel, attempts, since, outcome, detail } = deadLetter;
      if (input.flag('json')) out(JSON.stringify(deadLetter));
      else
        out(
          `${style('cyan', event)}  ${channel}  ${style('red', outcome)} after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}  ${style('dim', `${since} ${printable(detail)}`)}`.trimEnd(),
        );
    }
    count += page.deadLetters.length;
    after = page.next;
  }
  if (count === 0) notice('No entries.');
}

function eventOf({ arguments: [, event] }: Input): string {
  return event === undefined ? '' : `/${encodeURIComponent(event)}`;
}

interface Page {
  readonly deadLetters: readonly {
    readonly event: string;
    readonly channel: string;
    readonly attempts: number;
    readonly since: string;
    readonly outcome: string;
    readonly detail: string;
  }[];
  readonly next: string | null;
}
