import { usageError, type Command } from '../command.ts';
import { forReceivers, JSON_OPTION, OF_ONE, pathOf, subscriptionCommand, type ShownSubscription } from './asking.ts';
import { showSubscription } from './shown.ts';
import { deliveryOf, given, SECRET_OPTIONS, secretOf, WISH_OPTIONS, wishesOf } from './wishes.ts';

const CHANNELS_MAX = 1000;

export const subscriptionsCreate: Command = subscriptionCommand({
  word: 'create',
  summary: 'Creates a durable subscription: a webhook, or a queue to pull from.',
  usage: '<pattern…>',
  argumentsMin: 1,
  argumentsMax: CHANNELS_MAX,
  details:
    'Prints its id and, of a webhook, the secret that requests are signed with, which is never shown again; with --ed25519 the public key.',
  options: {
    webhook: { value: 'URL', short: 'w', doc: 'The endpoint that events are sent to.' },
    pull: { doc: 'Workers ask for events: polycast subscriptions pull.' },
    start: { value: 'CURSOR', doc: 'Begins after this cursor, with the earliest that is kept, or now.' },
    dialect: {
      value: 'DIALECT',
      choices: ['standard', 'cloudevents'],
      doc: 'Webhook: how it consents, and its format.',
    },
    ...SECRET_OPTIONS,
    ...WISH_OPTIONS,
    'idempotency-key': { value: 'KEY', doc: 'The same key gives the same subscription again, for 24 hours.' },
    json: JSON_OPTION,
  },
  examples: [
    {
      command: "polycast subscriptions create 'orders.>' --webhook https://shop.example/hook",
      does: 'to have events sent',
    },
    { command: "polycast subscriptions create 'jobs.>' --pull --lease 60", does: 'a queue for workers' },
  ],
  async run(ask, input, terminal) {
    const url = input.text('webhook');
    const isPull = input.flag('pull');
    if ((url === undefined) === !isPull) {
      const both = isPull ? ', not both' : '';
      throw usageError(subscriptionsCreate, `say how it is delivered: --webhook URL, or --pull${both}`);
    }
    const kind = url === undefined ? 'pull' : 'webhook';
    const delivery = {
      kind,
      ...given('url', url),
      ...given('dialect', input.text('dialect')),
      ...secretOf(input),
      ...deliveryOf(subscriptionsCreate, input),
    };
    const wishes = wishesOf(subscriptionsCreate, input);
    const body = { channels: input.arguments, ...given('start', input.text('start')), ...wishes, delivery };
    const key = input.text('idempotency-key');
    const headers = key === undefined ? {} : { 'idempotency-key': key };
    const created = (await ask('POST', 'subscriptions', body, headers)) as ShownSubscription;
    if (input.flag('json')) terminal.out(JSON.stringify(created));
    else {
      const { id, state, delivery: made } = created;
      const handed = forReceivers(made);
      const what = handed === undefined ? 'its id' : `its id, and ${handed.what}`;
      terminal.note(`${terminal.noteStyle('green', 'created')}, ${state}: ${what}`);
      terminal.out(id);
      if (handed !== undefined) terminal.out(handed.text);
      if (state === 'pending')
        terminal.note(
          `Its endpoint is asked whether it wants the events; "subscriptions attempts" shows what it answers, "subscriptions resume" asks it again.`,
        );
    }
    return 'done';
  },
});

export const subscriptionsChange: Command = subscriptionCommand({
  word: 'change',
  summary: 'Changes a subscription.',
  ...OF_ONE,
  details: 'What is not given stays as it is.',
  options: {
    channel: { value: 'PATTERN', multiple: true, doc: 'The channels that it is for from now on; repeatable.' },
    webhook: { value: 'URL', short: 'w', doc: 'Another endpoint.' },
    ...WISH_OPTIONS,
    'if-match': { value: 'N', doc: 'Only if it still has this version, the ETag that the hub told.' },
    json: JSON_OPTION,
  },
  examples: [
    {
      command: 'polycast subscriptions change sub_0t24qj92dx0000a1 --rate 50 --description "The warehouse"',
      does: 'slower, and with a name',
    },
  ],
  async run(ask, input, terminal) {
    const channels = input.texts('channel');
    const delivery = { ...given('url', input.text('webhook')), ...deliveryOf(subscriptionsChange, input) };
    const body = {
      ...(channels.length > 0 && { channels }),
      ...wishesOf(subscriptionsChange, input),
      ...(Object.keys(delivery).length > 0 && { delivery }),
    };
    if (Object.keys(body).length === 0) throw usageError(subscriptionsChange, 'say what is to change');
    const version = input.number('if-match', 1);
    const headers = version === undefined ? {} : { 'if-match': `"${version}"` };
    const changed = (await ask('PATCH', pathOf(input), body, headers)) as ShownSubscription;
    showSubscription(changed, input, terminal);
    return 'done';
  },
});
