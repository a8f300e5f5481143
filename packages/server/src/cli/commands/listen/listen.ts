import { SECRET_FORMS_HELP, resolveSecret } from '../../input.ts';
import { randomBytes } from 'node:crypto';
import { isPattern, parseCursor } from '@polycast/protocol';
import { DIALECTS } from '../../../subscriptions/dialects/registry.ts';
import { BODY_FORMATS } from '../../../subscriptions/state/definition.ts';
import { signatures } from '../../../subscriptions/webhook/request/signature.ts';
import { compileFilter, type Filter } from '../../../subscriptions/state/filter.ts';
import { HEADERS_MAX, headerProblem } from '../../../subscriptions/webhook/request/header-rules.ts';
import { JSON_LINES, usageError, type Command, type Input } from '../../command.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress, withScheme } from '../../hub-address.ts';
import { filterOf, pairsOf } from '../subscriptions/definition-options.ts';
import { forwardEvents, type ListenOptions } from './forward-events.ts';

const CHANNELS_MAX = 100;

export const listen: Command = {
  name: 'listen',
  summary: 'Receives webhooks on this machine without a tunnel.',
  usage: '[channel or pattern…]',
  argumentsMin: 0,
  argumentsMax: CHANNELS_MAX,
  details:
    'It reads the hub’s event stream and posts each event to a local URL, with the signature of a webhook. It shows each delivery with its response. It does not retry failed deliveries by itself: press the letter before a delivery to send it again. It sends the events of each channel one after the other. Without arguments it reads all channels. In patterns, * matches one token and a final > matches one or more.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    forward: { value: 'URL', short: 'f', doc: 'The URL to post to. Without it the requests are only shown.' },
    secret: {
      value: 'SECRET',
      short: 's',
      multiple: true,
      doc: `The secret for signatures, whsec_… or whsk_…; two for a rotation; ${SECRET_FORMS_HELP} (or POLYCAST_WEBHOOK_SECRET). By default the command creates one.`,
    },
    format: {
      value: 'FORMAT',
      choices: BODY_FORMATS,
      doc: `The format of the requests: ${BODY_FORMATS.join(', ')}; event by default.`,
    },
    header: {
      value: "'NAME: TEXT'",
      multiple: true,
      doc: "A header of each request, as with a subscription's headers. Repeatable.",
    },
    print: {
      short: 'p',
      doc: 'Prints complete requests, in the form that webhook verify reads. Responses then go to standard error.',
    },
    after: {
      value: 'CURSOR',
      short: 'a',
      doc: 'Begin after this cursor, with earliest (all stored events) or with now.',
    },
    type: { value: 'TYPE', multiple: true, doc: 'Only events of this type. Repeatable.' },
    filter: {
      value: 'JSON',
      doc: 'Only events that match this filter, as with a subscription: {"equals":["/data/status","paid"]}.',
    },
    count: { value: 'N', doc: 'Stops after N events.' },
    json: JSON_LINES,
  },
  examples: [
    {
      command: "polycast listen 'orders.>' --forward http://localhost:3000/hook",
      description: 'orders, to a site on this machine',
    },
    {
      command: 'polycast listen --forward localhost:3000/hook --after earliest',
      description: 'all events that the hub has stored',
    },
    { command: "polycast listen 'orders.>' --print", description: 'print the requests' },
    {
      command: `polycast listen 'orders.>' -f 3000 --filter '{"greater":["/data/total",10]}' --header 'X-Tenant: 42'`,
      description: 'like a subscription with this filter and header',
    },
  ],
  async run(input, terminal) {
    return forwardEvents(hubAddress(input), listenOptions(input), terminal);
  },
};

function listenOptions(input: Input): ListenOptions {
  const wrong = input.arguments.find((pattern) => !isPattern(pattern));
  if (wrong !== undefined)
    throw usageError(listen, `"${wrong}" is neither a channel nor a pattern: orders.42, orders.*, orders.>`);
  const after = input.text('after');
  if (after !== undefined && after !== 'earliest' && after !== 'now' && parseCursor(after) === undefined)
    throw usageError(listen, `--after ${after}: must be a cursor, earliest or now`);
  const forward = forwardUrl(input);
  return {
    patterns: input.arguments.length === 0 ? ['>'] : input.arguments,
    types: input.texts('type'),
    filter: filter(input),
    after,
    forward,
    format: (input.text('format') ?? 'event') as ListenOptions['format'],
    headers: headers(input),
    ...secretsOf(input),
    print: input.flag('print') || (forward === undefined && !input.flag('json')),
    json: input.flag('json'),
    countMax: input.number('count', 1) ?? Infinity,
  };
}

function forwardUrl(input: Input): string | undefined {
  const text = input.text('forward');
  if (text === undefined) return undefined;
  const address = withScheme(text, 'localhost');
  const url = URL.parse(address);
  // Without a host, the parser takes the path for one; and `mailto:a@b` looks like a user's
  // password.
  const isAddress = url !== null && /^https?:$/.test(url.protocol) && !/^https?:\/{3}/.test(address);
  if (isAddress && url.username === '' && url.password === '') return url.href;
  throw usageError(listen, `--forward ${text}: must be a URL such as http://localhost:3000/hook`);
}

/** The filter, checked as the hub checks it. */
function filter(input: Input): Filter | undefined {
  const value = filterOf(listen, input);
  if (value === undefined) return undefined;
  try {
    return compileFilter(value);
  } catch (error) {
    throw usageError(listen, `--filter: ${(error as Error).message}`);
  }
}

/** The headers; names in lower case. */
function headers(input: Input): Readonly<Record<string, string>> {
  const entries = Object.entries(pairsOf(listen, input, 'header', ': ') ?? {});
  if (entries.length > HEADERS_MAX) throw usageError(listen, `--header may be given ${HEADERS_MAX} times`);
  const taken = new Map<string, string>();
  for (const [given, text] of entries) {
    const name = given.toLowerCase();
    const wrong = headerProblem(DIALECTS, name, taken, text);
    if (wrong !== undefined) throw usageError(listen, `--header ${wrong}`);
    taken.set(name, text);
  }
  return Object.fromEntries(taken);
}

function secretsOf(input: Input): Pick<ListenOptions, 'secrets' | 'isSecretNew'> {
  const named = input.texts('secret').map(resolveSecret);
  const given = named.length > 0 ? named : (process.env['POLYCAST_WEBHOOK_SECRET']?.split(/\s+/) ?? []);
  const texts = given.map((text) => text.trim()).filter((text) => text !== '');
  const isSecretNew = texts.length === 0;
  if (isSecretNew) texts.push(`whsec_${randomBytes(24).toString('base64')}`);
  const secrets = texts.map((text) => ({ text, endsMs: undefined }));
  try {
    signatures({ id: 'a', seconds: 0, body: new Uint8Array() }, secrets, 0);
  } catch (error) {
    throw usageError(listen, (error as Error).message);
  }
  return { secrets, isSecretNew };
}
