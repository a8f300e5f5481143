import { JSON_DOCUMENT, JSON_LINES, type Command } from '../../command.ts';
import {
  EXAMPLE_ID,
  ONE_ID_ARGUMENT,
  subscriptionPath,
  queryString,
  subscriptionCommand,
  type ShownAttempt,
  type ShownSubscription,
} from './subscription-command.ts';
import { attemptLine, showSubscription, subscriptionLine } from './format.ts';
import { SUBSCRIPTION_STATES } from '../../../subscriptions/state/definition.ts';

export const subscriptionsList: Command = subscriptionCommand({
  word: 'list',
  summary: 'Lists subscriptions with their state and backlog.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  options: {
    state: { value: 'STATE', choices: SUBSCRIPTION_STATES, doc: 'Only subscriptions in this state.' },
    channel: { value: 'CHANNEL', doc: 'Only subscriptions that match this channel.' },
    'made-by': { value: 'KEYID', doc: 'Only subscriptions created by the key with this id.' },
    json: JSON_LINES,
  },
  examples: [
    {
      command: 'polycast subscriptions list --state suspended',
      description: 'subscriptions whose endpoint keeps failing',
    },
  ],
  async run(request, input, terminal) {
    let after: string | null = '';
    let count = 0;
    while (after !== null) {
      const query = queryString({
        state: input.text('state'),
        channel: input.text('channel'),
        key: input.text('made-by'),
        after: after || undefined,
      });
      const page = (await request('GET', `subscriptions${query}`)) as Page;
      for (const each of page.subscriptions)
        terminal.out(input.flag('json') ? JSON.stringify(each) : subscriptionLine(each, terminal));
      count += page.subscriptions.length;
      after = page.next;
    }
    if (count === 0) terminal.notice('No entries.');
    return 'done';
  },
});

interface Page {
  readonly subscriptions: readonly ShownSubscription[];
  readonly next: string | null;
}

export const subscriptionsShow: Command = subscriptionCommand({
  word: 'show',
  summary: 'Shows the definition, state and backlog of a subscription.',
  ...ONE_ID_ARGUMENT,
  options: { json: JSON_DOCUMENT },
  examples: [{ command: `polycast subscriptions show ${EXAMPLE_ID}`, description: 'one' }],
  async run(request, input, terminal) {
    showSubscription((await request('GET', subscriptionPath(input))) as ShownSubscription, input, terminal);
    return 'done';
  },
});

export const subscriptionsAttempts: Command = subscriptionCommand({
  word: 'attempts',
  summary: 'Shows delivery attempts and their outcomes, newest last.',
  ...ONE_ID_ARGUMENT,
  options: {
    limit: { value: 'N', short: 'n', doc: 'The number of newest attempts, at most 100; 50 by default.' },
    event: { value: 'ID', doc: 'Only attempts of this event.' },
    json: JSON_LINES,
  },
  examples: [{ command: `polycast subscriptions attempts ${EXAMPLE_ID} -n 10`, description: 'the newest ten' }],
  async run(request, input, terminal) {
    const query = queryString({ limit: input.number('limit', 1), event: input.text('event') });
    const { attempts } = (await request('GET', subscriptionPath(input, `/attempts${query}`))) as {
      attempts: ShownAttempt[];
    };
    for (const attempt of attempts.toReversed())
      terminal.out(input.flag('json') ? JSON.stringify(attempt) : attemptLine(attempt, terminal));
    if (attempts.length === 0) terminal.notice('No entries.');
    return 'done';
  },
});

export const subscriptionsTrace: Command = subscriptionCommand({
  word: 'trace',
  summary: 'Shows which subscriptions received an event, when, and after how many attempts.',
  usage: '<event>',
  argumentsMin: 1,
  argumentsMax: 1,
  options: { json: JSON_DOCUMENT },
  examples: [{ command: 'polycast subscriptions trace 0t24qj92dx-00000001006', description: 'by the id of the event' }],
  async run(request, input, terminal) {
    const [event = ''] = input.arguments;
    const trace = (await request('GET', `events/${encodeURIComponent(event)}/deliveries`)) as Trace;
    const { out, style, notice } = terminal;
    if (input.flag('json')) out(JSON.stringify(trace));
    else if (trace.deliveries.length === 0) notice('No subscription matches this event.');
    else
      for (const delivery of trace.deliveries) {
        const { subscription, state } = delivery;
        const shown = style(state === 'dead-letter' ? 'red' : 'green', state);
        const times = style('dim', timesText(delivery));
        out(`${style('cyan', subscription)}  ${shown}${triesText(delivery)}  ${times}`.trimEnd());
      }
    return 'done';
  },
});

function triesText({ state, tries }: TracedDelivery): string {
  if (tries === null || tries === 0) return '';
  if (state === 'leased') return tries === 1 ? '  leased once' : `  leased ${tries} times`;
  return tries === 1 ? '  after 1 attempt' : `  after ${tries} attempts`;
}

function timesText({ state, last, due }: TracedDelivery): string {
  const next = due === null ? '' : `${state === 'leased' ? 'until' : 'again'} ${due}`;
  return [last ?? '', next].filter((part) => part !== '').join(', ');
}

interface Trace {
  readonly deliveries: readonly TracedDelivery[];
}

interface TracedDelivery {
  readonly subscription: string;
  readonly state: string;
  readonly tries: number | null;
  readonly last: string | null;
  readonly due: string | null;
}
