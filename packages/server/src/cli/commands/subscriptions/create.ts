import { DIALECTS } from '../../../subscriptions/dialects/registry.ts';
import { JSON_DOCUMENT, usageError, type Command, type Input } from '../../command.ts';
import {
  receiverSecret,
  ONE_ID_ARGUMENT,
  subscriptionPath,
  subscriptionCommand,
  type HubRequester,
  type ShownSubscription,
} from './subscription-command.ts';
import { showSubscription } from './format.ts';
import {
  deliveryOf,
  optionalMember,
  SECRET_OPTIONS,
  secretOf,
  DEFINITION_OPTIONS,
  definitionOf,
} from './definition-options.ts';

const CHANNELS_MAX = 1000;

export const subscriptionsCreate: Command = subscriptionCommand({
  word: 'create',
  summary: 'Creates a durable subscription: a webhook or a pull queue.',
  usage: '<pattern…>',
  required: { options: ['webhook', 'pull'] },
  argumentsMin: 1,
  argumentsMax: CHANNELS_MAX,
  details:
    'It prints the id and, for a webhook, the signing secret. A secret that the hub makes is shown only once. With --ed25519 it prints the public key.',
  options: {
    webhook: { value: 'URL', short: 'w', doc: 'Send the events to this endpoint.' },
    pull: { doc: 'Let workers pull the events: polycast subscriptions pull.' },
    start: { value: 'CURSOR', doc: 'Begins after this cursor, with the earliest stored event, or now.' },
    dialect: {
      value: 'DIALECT',
      choices: DIALECTS.creatableNames,
      doc: 'Webhook: the dialect, which defines the verification and the format.',
    },
    ...SECRET_OPTIONS,
    ...DEFINITION_OPTIONS,
    name: {
      value: 'NAME',
      doc: 'Unique in the hub. Repeating the command gives the same subscription, with the definition of the command.',
    },
    'idempotency-key': {
      value: 'KEY',
      doc: 'Repeating the command with the same key within 24 hours returns the same subscription.',
    },
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: "polycast subscriptions create 'orders.>' --webhook https://shop.example/hook",
      description: 'a webhook',
    },
    { command: "polycast subscriptions create 'jobs.>' --pull --lease 60", description: 'a queue for workers' },
    {
      command: "polycast subscriptions create 'jobs.>' --pull --name jobs",
      description: 'a queue with a name, created once',
    },
  ],
  async run(request, input, terminal) {
    const url = input.text('webhook');
    if (url !== undefined && input.flag('pull'))
      throw usageError(subscriptionsCreate, 'choose a delivery: --webhook URL or --pull, not both');
    const kind = url === undefined ? 'pull' : 'webhook';
    const delivery = {
      kind,
      ...optionalMember('url', url),
      ...optionalMember('dialect', input.text('dialect')),
      ...secretOf(input),
      ...deliveryOf(subscriptionsCreate, input),
    };
    const definition = definitionOf(subscriptionsCreate, input);
    const body = {
      channels: input.arguments,
      ...optionalMember('start', input.text('start')),
      ...definition,
      delivery,
    };
    const created = await createOrPut(request, input, body);
    if (input.flag('json')) terminal.out(JSON.stringify(created));
    else {
      const { id, name, state, delivery: createdDelivery } = created;
      const secret = receiverSecret(createdDelivery);
      const isGiven = input.text('secret') !== undefined;
      const what = secret === undefined ? 'its id' : `its id and ${isGiven ? 'the given secret' : secret.what}`;
      const done = input.text('name') === undefined || secret !== undefined ? 'created' : 'ready';
      const named = name === null ? '' : ` ${name}`;
      terminal.notice(`${terminal.noticeStyle('green', done)}${named}, ${state}: ${what}`);
      terminal.out(id);
      if (secret !== undefined) terminal.out(secret.text);
      if (state === 'pending')
        terminal.notice(
          `The hub verifies the endpoint first. "subscriptions attempts" shows its answer, and "subscriptions resume" repeats the verification.`,
        );
    }
    return 'done';
  },
});

async function createOrPut(request: HubRequester, input: Input, body: object): Promise<ShownSubscription> {
  const [name, key] = [input.text('name'), input.text('idempotency-key')];
  if (name !== undefined && key !== undefined)
    throw usageError(subscriptionsCreate, 'choose one: --name or --idempotency-key');
  const created =
    name === undefined
      ? await request('POST', 'subscriptions', body, key === undefined ? {} : { 'idempotency-key': key })
      : await request('PUT', `subscriptions/${encodeURIComponent(name)}`, body);
  return created as ShownSubscription;
}

export const subscriptionsChange: Command = subscriptionCommand({
  word: 'change',
  summary: 'Changes a subscription.',
  ...ONE_ID_ARGUMENT,
  details: 'Options that are not given stay unchanged.',
  options: {
    channel: { value: 'PATTERN', multiple: true, doc: 'The new channels; repeatable.' },
    webhook: { value: 'URL', short: 'w', doc: 'Another endpoint.' },
    ...DEFINITION_OPTIONS,
    'if-match': { value: 'N', doc: 'Changes it only if its ETag is still this one.' },
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: 'polycast subscriptions change sub_0t24qj92dx0000a1 --rate 50 --description "The warehouse"',
      description: 'a lower rate and a description',
    },
  ],
  async run(request, input, terminal) {
    const channels = input.texts('channel');
    const delivery = { ...optionalMember('url', input.text('webhook')), ...deliveryOf(subscriptionsChange, input) };
    const body = {
      ...(channels.length > 0 && { channels }),
      ...definitionOf(subscriptionsChange, input),
      ...(Object.keys(delivery).length > 0 && { delivery }),
    };
    if (Object.keys(body).length === 0) throw usageError(subscriptionsChange, 'give at least one option to change');
    const version = input.number('if-match', 1);
    const headers = version === undefined ? {} : { 'if-match': `"${version}"` };
    const changed = (await request('PATCH', subscriptionPath(input), body, headers)) as ShownSubscription;
    showSubscription(changed, input, terminal);
    return 'done';
  },
});
