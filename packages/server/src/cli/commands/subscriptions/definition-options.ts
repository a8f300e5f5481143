import { BODY_FORMATS } from '../../../subscriptions/state/definition.ts';
import { SECRET_FORMS_HELP, resolveSecret } from '../../input.ts';
import { usageError, type Command, type Input, type OptionSpec } from '../../command.ts';

/** The options of a subscription, for its creation and its change. */
export const DEFINITION_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  type: { value: 'TYPE', short: 't', multiple: true, doc: 'Only events of this type. Repeatable.' },
  filter: { value: 'JSON', doc: 'Only events that match this filter: {"equals":["/data/status","paid"]}.' },
  ordering: {
    value: 'ORDERING',
    choices: ['per-channel', 'none'],
    doc: 'per-channel: the events of a channel one at a time, in order; none: without order.',
  },
  rate: { value: 'N', doc: 'The maximum rate of events per second.' },
  concurrency: { value: 'N', doc: 'The maximum number of concurrent requests; for pull, of leased events.' },
  description: { value: 'TEXT', doc: 'A description of the subscription.' },
  metadata: { value: 'NAME=TEXT', multiple: true, doc: 'A metadata entry; repeatable.' },
  expires: { value: 'TIME', doc: 'The time when it ends: 2027-01-31T12:00:00Z.' },
  format: {
    value: 'FORMAT',
    choices: BODY_FORMATS,
    doc: 'Webhook: the content of a request; event by default.',
  },
  header: { value: "'NAME: TEXT'", multiple: true, doc: 'Webhook: a header of each request; repeatable.' },
  batch: { value: 'N', doc: 'Webhook: the maximum number of events in a request.' },
  'batch-wait': { value: 'MS', doc: 'Webhook: how long the first event of a batch waits for more.' },
  timeout: { value: 'MS', doc: 'Webhook: the timeout of a whole request.' },
  retries: { value: 'S,S,…', doc: 'Webhook: the delays between attempts, in seconds; none: no retries.' },
  lease: { value: 'SECONDS', doc: 'Pull: the duration of a lease.' },
  deliveries: { value: 'N', doc: 'Pull: the number of leases after which an event is a dead letter.' },
};

/** The options of a webhook's signing secret. */
export const SECRET_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  secret: {
    value: 'SECRET',
    doc: `Your own secret, whsec_… or whsk_…; ${SECRET_FORMS_HELP}, which other users of this machine cannot see. By default the hub creates one.`,
  },
  ed25519: { doc: 'The hub creates a key pair and returns the public key.' },
};

/**
 * The members of a subscription that the options set, without its delivery.
 * @throws CliError `usage`
 */
export function definitionOf(command: Command, input: Input): object {
  const types = input.texts('type');
  const metadata = pairsOf(command, input, 'metadata', '=');
  return {
    ...(types.length > 0 && { types }),
    ...optionalMember('filter', filterOf(command, input)),
    ...optionalMember('ordering', input.text('ordering')),
    ...optionalMember('ratePerSecond', input.number('rate', 1)),
    ...optionalMember('concurrencyMax', input.number('concurrency', 1)),
    ...optionalMember('description', input.text('description')),
    ...optionalMember('metadata', metadata),
    ...optionalMember('expires', input.text('expires')),
  };
}

/**
 * The members of a delivery that the options set.
 * @throws CliError `usage`
 */
export function deliveryOf(command: Command, input: Input): object {
  const headers = pairsOf(command, input, 'header', ': ');
  const countMax = input.number('batch', 1);
  const waitMs = input.number('batch-wait', 0);
  if (waitMs !== undefined && countMax === undefined) throw usageError(command, '--batch-wait needs --batch');
  return {
    ...optionalMember('format', input.text('format')),
    ...optionalMember('headers', headers),
    ...(countMax !== undefined && { batch: { countMax, ...optionalMember('waitMs', waitMs) } }),
    ...optionalMember('timeoutMs', input.number('timeout', 1)),
    ...optionalMember('retryDelaysSeconds', retriesOf(command, input.text('retries'))),
    ...optionalMember('leaseSeconds', input.number('lease', 1)),
    ...optionalMember('deliveriesMax', input.number('deliveries', 1)),
  };
}

/** @throws CliError `usage` */
export function secretOf(input: Input): object {
  const secret = input.text('secret');
  return {
    ...optionalMember('secret', secret === undefined ? undefined : resolveSecret(secret)),
    ...(input.flag('ed25519') && { signature: 'ed25519' }),
  };
}

/** An object with one member; an empty one for `undefined`. */
export function optionalMember(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}

function retriesOf(command: Command, text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined;
  if (text === 'none' || text === '') return [];
  const seconds = text.split(',').map((each) => (/^\s*\d{1,9}\s*$/.test(each) ? Number(each) : Number.NaN));
  if (!seconds.every((each) => each >= 1))
    throw usageError(command, `--retries ${text}: must be seconds of at least 1, such as 5,60,3600, or none`);
  return seconds;
}

/**
 * The names and texts of a repeatable option; `undefined` when it is not given.
 * @throws CliError `usage`
 */
export function pairsOf(
  command: Command,
  input: Input,
  option: string,
  separator: '=' | ': ',
): Readonly<Record<string, string>> | undefined {
  const pairs = new Map<string, string>();
  for (const text of input.texts(option)) {
    const at = text.indexOf(separator.trim());
    if (at <= 0) throw usageError(command, `--${option} ${text}: must be NAME${separator}TEXT`);
    const name = text.slice(0, at).trim();
    if (pairs.has(name)) throw usageError(command, `--${option} has ${name} twice`);
    pairs.set(name, text.slice(at + 1).trim());
  }
  return pairs.size === 0 ? undefined : Object.fromEntries(pairs);
}

/**
 * The filter of a subscription, as JSON. It does not check whether the filter is valid.
 * @throws CliError `usage`
 */
export function filterOf(command: Command, input: Input): unknown {
  const text = input.text('filter');
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    throw usageError(command, '--filter: must be JSON such as {"equals":["/data/status","paid"]}');
  }
}
