import { usageError, type Command } from '../../command.ts';
import { printable } from '../../terminal.ts';
import {
  receiverSecret,
  EXAMPLE_ID,
  JSON_OPTION,
  ONE_ID_ARGUMENT,
  subscriptionPath,
  subscriptionCommand,
  type ShownAttempt,
  type ShownSubscription,
} from './subscription-command.ts';
import { attemptLine } from './format.ts';
import { optionalMember, SECRET_OPTIONS, secretOf } from './definition-options.ts';

export const subscriptionsPause: Command = subscriptionCommand({
  word: 'pause',
  summary: 'Stops its deliveries; what comes waits in the log.',
  ...ONE_ID_ARGUMENT,
  options: {},
  examples: [{ command: `polycast subscriptions pause ${EXAMPLE_ID}`, description: 'one' }],
  async run(request, input, { out, style }) {
    const { id, state } = (await request('POST', subscriptionPath(input, '/pause'))) as ShownSubscription;
    out(`${style('green', state)} ${id}`);
    return 'done';
  },
});

export const subscriptionsResume: Command = subscriptionCommand({
  word: 'resume',
  summary: 'Goes on where it stopped; of one that is pending, asks its endpoint again.',
  ...ONE_ID_ARGUMENT,
  details:
    'An endpoint that has not consented yet is asked now, not sooner than 5 seconds after the question before. Ends with 1 when it still has not, and says what it answered.',
  options: {},
  examples: [
    {
      command: `polycast subscriptions resume ${EXAMPLE_ID}`,
      description: 'after a pause, or once the endpoint is ready',
    },
  ],
  async run(request, input, { out, notice, style }) {
    const { id, state } = (await request('POST', subscriptionPath(input, '/resume'))) as ShownSubscription;
    const isActive = state === 'active';
    out(`${style(isActive ? 'green' : 'red', state)} ${id}`);
    if (isActive) return 'done';
    const { attempts } = (await request('GET', subscriptionPath(input, '/attempts?limit=1'))) as {
      attempts: ShownAttempt[];
    };
    for (const { detail, outcome } of attempts)
      notice(`the endpoint has not consented: ${printable(detail === '' ? outcome : detail)}`);
    return 'failed';
  },
});

export const subscriptionsDelete: Command = subscriptionCommand({
  word: 'delete',
  summary: 'Ends a subscription, and forgets it with all that hangs on it.',
  ...ONE_ID_ARGUMENT,
  options: {},
  examples: [{ command: `polycast subscriptions delete ${EXAMPLE_ID}`, description: 'for good' }],
  async run(request, input, { out, style }) {
    await request('DELETE', subscriptionPath(input));
    out(`${style('green', 'deleted')} ${input.arguments[0]}`);
    return 'done';
  },
});

export const subscriptionsTest: Command = subscriptionCommand({
  word: 'test',
  summary: 'Sends a sample to a webhook at once, and shows how that went.',
  usage: '<id> [data]',
  argumentsMin: 1,
  argumentsMax: 2,
  details: 'Ends with 1 when it was not delivered.',
  options: {
    channel: { value: 'CHANNEL', doc: 'Of which channel it is said to be.' },
    type: { value: 'TYPE', short: 't', doc: 'Of which type it is said to be.' },
    json: { doc: 'Prints the attempt as JSON: with request, answer and timing.' },
  },
  examples: [
    { command: `polycast subscriptions test ${EXAMPLE_ID} '{"total":5}'`, description: 'with data of your own' },
  ],
  async run(request, input, terminal) {
    const [, data] = input.arguments;
    const body = {
      ...optionalMember('channel', input.text('channel')),
      ...optionalMember('type', input.text('type')),
      ...(data !== undefined && { data: dataOf(data) }),
    };
    const attempt = (await request('POST', subscriptionPath(input, '/test'), body)) as ShownAttempt;
    terminal.out(input.flag('json') ? JSON.stringify(attempt) : attemptLine(attempt, terminal));
    return attempt.outcome === 'delivered' ? 'done' : 'failed';
  },
});

/** @throws CliError `usage` */
function dataOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw usageError(subscriptionsTest, 'the data must be JSON');
  }
}

export const subscriptionsRotateSecret: Command = subscriptionCommand({
  word: 'rotate-secret',
  summary: 'Gives a webhook a new secret, and prints it once.',
  ...ONE_ID_ARGUMENT,
  details: 'For a day requests carry the signatures of both, so that receivers can be given the new one at leisure.',
  options: {
    ...SECRET_OPTIONS,
    overlap: { value: 'SECONDS', doc: 'How long the old secret signs too; 86400 unless given, at most 2592000.' },
    json: JSON_OPTION,
  },
  examples: [
    { command: `polycast subscriptions rotate-secret ${EXAMPLE_ID} --overlap 0`, description: 'at once, after a leak' },
  ],
  async run(request, input, terminal) {
    const body = { ...secretOf(input), ...optionalMember('overlapSeconds', input.number('overlap', 0)) };
    const rotated = (await request('POST', subscriptionPath(input, '/rotate-secret'), body)) as ShownSubscription;
    if (input.flag('json')) terminal.out(JSON.stringify(rotated));
    else {
      const secret = receiverSecret(rotated.delivery);
      terminal.notice(
        `${terminal.noticeStyle('green', 'rotated')}: ${secret?.what ?? 'the secret is the one that was given'}`,
      );
      if (secret !== undefined) terminal.out(secret.text);
    }
    return 'done';
  },
});

export const subscriptionsReplay: Command = subscriptionCommand({
  word: 'replay',
  summary: 'Delivers once more what the log has, beside what comes; or lists the replays that go on.',
  ...ONE_ID_ARGUMENT,
  options: {
    after: { value: 'CURSOR', doc: 'What came after this cursor, or earliest.' },
    since: { value: 'TIME', doc: 'What came since then: 2027-01-31T12:00:00Z.' },
    channel: { value: 'CHANNEL', doc: 'Of one channel alone.' },
    json: JSON_OPTION,
  },
  examples: [
    {
      command: `polycast subscriptions replay ${EXAMPLE_ID} --since 2027-01-31T12:00:00Z`,
      description: 'from then on',
    },
    { command: `polycast subscriptions replay ${EXAMPLE_ID}`, description: 'those that go on' },
  ],
  async run(request, input, { out, notice, style }) {
    const [after, since] = [input.text('after'), input.text('since')];
    if (after !== undefined && since !== undefined)
      throw usageError(subscriptionsReplay, '--after or --since, not both');
    const body = {
      ...optionalMember('after', after),
      ...optionalMember('since', since),
      ...optionalMember('channel', input.text('channel')),
    };
    const isList = after === undefined && since === undefined;
    if (isList && input.text('channel') !== undefined)
      throw usageError(subscriptionsReplay, '--channel is for a replay: say from where, --after or --since');
    const replays = isList
      ? ((await request('GET', subscriptionPath(input, '/replays'))) as { replays: Replay[] }).replays
      : [(await request('POST', subscriptionPath(input, '/replay'), body)) as Replay];
    for (const replay of replays) {
      const { id, reached, through, done } = replay;
      const how = done ? style('green', 'done') : `has come to ${reached} of ${through}`;
      out(input.flag('json') ? JSON.stringify(replay) : `${style('cyan', id)}  ${how}`);
    }
    if (replays.length === 0) notice('There are none.');
    return 'done';
  },
});

interface Replay {
  readonly id: string;
  readonly reached: string;
  readonly through: string;
  readonly done: boolean;
}
