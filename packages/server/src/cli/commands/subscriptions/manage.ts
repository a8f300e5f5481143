import { JSON_DOCUMENT, JSON_LINES, usageError, type Command, type Input } from '../../command.ts';
import { pasteable } from '../../pasteable.ts';
import { formatCounted } from '../../quantities.ts';
import { printable } from '../../terminal.ts';
import {
  receiverSecret,
  EXAMPLE_ID,
  ONE_ID_ARGUMENT,
  subscriptionPath,
  subscriptionCommand,
  type HubRequester,
  type ShownAttempt,
  type ShownSubscription,
} from './subscription-command.ts';
import { attemptLine } from './format.ts';
import { optionalMember, SECRET_OPTIONS, secretOf } from './definition-options.ts';

export const subscriptionsPause: Command = subscriptionCommand({
  word: 'pause',
  summary: 'Pauses deliveries. New events wait in the log.',
  ...ONE_ID_ARGUMENT,
  options: { json: JSON_DOCUMENT },
  examples: [{ command: `polycast subscriptions pause ${EXAMPLE_ID}`, description: 'one' }],
  async run(request, input, { out, style }) {
    const paused = (await request('POST', subscriptionPath(input, '/pause'))) as ShownSubscription;
    out(input.flag('json') ? JSON.stringify(paused) : `${style('green', paused.state)} ${paused.id}`);
    return 'done';
  },
});

export const subscriptionsResume: Command = subscriptionCommand({
  word: 'resume',
  summary: 'Resumes deliveries. For a pending subscription, repeats the verification.',
  ...ONE_ID_ARGUMENT,
  details:
    'A webhook attempts its failed events at once, those of replays too, also if it was active. The hub verifies a pending endpoint immediately, but at least 5 seconds after the last verification. If that fails, the command prints the answer and exits with 1.',
  options: { json: JSON_DOCUMENT },
  examples: [
    {
      command: `polycast subscriptions resume ${EXAMPLE_ID}`,
      description: 'after a pause, or when the endpoint works again',
    },
  ],
  async run(request, input, { out, notice, style }) {
    const before = (await request('GET', subscriptionPath(input))) as ShownSubscription;
    const resumed = (await request('POST', subscriptionPath(input, '/resume'))) as ShownSubscription;
    const { id, state } = resumed;
    const isActive = state === 'active';
    out(input.flag('json') ? JSON.stringify(resumed) : `${style(isActive ? 'green' : 'red', state)} ${id}`);
    if (isActive) {
      const done = resumeEffect(before) ?? (await replaysEffect(request, input, before));
      if (done !== undefined) notice(pasteable(done));
      return 'done';
    }
    const { attempts } = (await request('GET', subscriptionPath(input, '/attempts?limit=1'))) as {
      attempts: ShownAttempt[];
    };
    for (const { detail, outcome } of attempts)
      notice(`the verification of the endpoint failed: ${printable(detail === '' ? outcome : detail)}`);
    return 'failed';
  },
});

/**
 * What `resume` has done beyond the change of the state.
 * @param before the subscription before that
 */
function resumeEffect({ id, delivery, backlog }: ShownSubscription): string | undefined {
  return delivery.kind === 'webhook' && backlog.failing > 0
    ? `${formatCounted(backlog.failing, 'failed event')} attempted now. See the outcome: polycast subscriptions attempts ${id}`
    : undefined;
}

/** The same for a subscription whose backlog, which is without replays, has no failed events. */
async function replaysEffect(
  request: HubRequester,
  input: Input,
  { state, delivery }: ShownSubscription,
): Promise<string | undefined> {
  if (state !== 'active') return undefined;
  const { replays } =
    delivery.kind === 'webhook'
      ? ((await request('GET', subscriptionPath(input, '/replays'))) as { replays: Replay[] })
      : { replays: [] };
  return replays.some(({ done }) => !done)
    ? 'It was active already. Failed events of its replays are attempted now.'
    : 'It was active already, and no failed event waits for another attempt.';
}

export const subscriptionsDelete: Command = subscriptionCommand({
  word: 'delete',
  summary: 'Deletes a subscription with its attempts and dead letters.',
  ...ONE_ID_ARGUMENT,
  options: { json: JSON_DOCUMENT },
  examples: [{ command: `polycast subscriptions delete ${EXAMPLE_ID}`, description: 'permanently' }],
  async run(request, input, { out, style }) {
    await request('DELETE', subscriptionPath(input));
    const [id] = input.arguments;
    out(input.flag('json') ? JSON.stringify({ id, deleted: true }) : `${style('green', 'deleted')} ${id}`);
    return 'done';
  },
});

export const subscriptionsTest: Command = subscriptionCommand({
  word: 'test',
  summary: 'Sends a sample event to a webhook immediately and shows the outcome.',
  usage: '<id> [data]',
  argumentsMin: 1,
  argumentsMax: 2,
  details: 'Exits with 1 if the sample was not delivered.',
  options: {
    channel: { value: 'CHANNEL', doc: 'The channel of the sample.' },
    type: { value: 'TYPE', short: 't', doc: 'The type of the sample.' },
    json: JSON_DOCUMENT,
  },
  examples: [{ command: `polycast subscriptions test ${EXAMPLE_ID} '{"total":5}'`, description: 'with your own data' }],
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
  summary: 'Creates a new secret for a webhook and prints it once.',
  ...ONE_ID_ARGUMENT,
  details: 'Requests carry signatures with both secrets for a day, so that you have time to install the new one.',
  options: {
    ...SECRET_OPTIONS,
    overlap: { value: 'SECONDS', doc: 'How long the old secret also signs; 86400 by default, at most 2592000.' },
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: `polycast subscriptions rotate-secret ${EXAMPLE_ID} --overlap 0`,
      description: 'without overlap, after a leak',
    },
  ],
  async run(request, input, terminal) {
    const body = { ...secretOf(input), ...optionalMember('overlapSeconds', input.number('overlap', 0)) };
    const rotated = (await request('POST', subscriptionPath(input, '/rotate-secret'), body)) as ShownSubscription;
    if (input.flag('json')) terminal.out(JSON.stringify(rotated));
    else {
      const secret = receiverSecret(rotated.delivery);
      terminal.notice(`${terminal.noticeStyle('green', 'rotated')}: ${secret?.what ?? 'the given secret is in use'}`);
      if (secret !== undefined) terminal.out(secret.text);
    }
    return 'done';
  },
});

export const subscriptionsReplay: Command = subscriptionCommand({
  word: 'replay',
  summary: 'Delivers stored events again, in addition to new ones. Or lists replays in progress.',
  ...ONE_ID_ARGUMENT,
  options: {
    after: { value: 'CURSOR', doc: 'Events after this cursor, or earliest.' },
    since: { value: 'TIME', doc: 'Events since this time: 2027-01-31T12:00:00Z.' },
    channel: { value: 'CHANNEL', doc: 'Only events of this channel.' },
    json: JSON_LINES,
  },
  examples: [
    {
      command: `polycast subscriptions replay ${EXAMPLE_ID} --since 2027-01-31T12:00:00Z`,
      description: 'events since that time',
    },
    { command: `polycast subscriptions replay ${EXAMPLE_ID}`, description: 'list replays in progress' },
  ],
  async run(request, input, { out, notice, style }) {
    const [after, since] = [input.text('after'), input.text('since')];
    if (after !== undefined && since !== undefined)
      throw usageError(subscriptionsReplay, 'give --after or --since, not both');
    const body = {
      ...optionalMember('after', after),
      ...optionalMember('since', since),
      ...optionalMember('channel', input.text('channel')),
    };
    const isList = after === undefined && since === undefined;
    if (isList && input.text('channel') !== undefined)
      throw usageError(subscriptionsReplay, '--channel needs --after or --since');
    const replays = isList
      ? ((await request('GET', subscriptionPath(input, '/replays'))) as { replays: Replay[] }).replays
      : [(await request('POST', subscriptionPath(input, '/replay'), body)) as Replay];
    for (const replay of replays) {
      const { id, reached, through, done } = replay;
      const how = done ? style('green', 'done') : `has reached ${reached} of ${through}`;
      out(input.flag('json') ? JSON.stringify(replay) : `${style('cyan', id)}  ${how}`);
    }
    if (replays.length === 0) notice('No entries.');
    return 'done';
  },
});

interface Replay {
  readonly id: string;
  readonly reached: string;
  readonly through: string;
  readonly done: boolean;
}
