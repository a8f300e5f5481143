import type { Problem } from '@polycast/protocol';
import type { Command, Input } from '../../command.ts';
import type { ExitName } from '../../exit-codes.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress } from '../../hub-address.ts';
import { requestHub } from '../../hub-request.ts';
import type { Terminal } from '../../terminal.ts';

/** A subscription as the hub shows it (PROTOCOL.md section 14.1). */
export interface ShownSubscription {
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
  readonly reason: string;
  readonly since: string;
  readonly channels: readonly string[];
  readonly delivery: ShownDelivery;
  /** Only the members that the commands use. */
  readonly backlog: {
    readonly failing: number;
    readonly deadLetters: number;
    readonly lagEvents: number;
    readonly nextAttempt: string | null;
  };
  readonly [member: string]: unknown;
}

export interface ShownDelivery {
  readonly kind: 'webhook' | 'pull';
  readonly url?: string;
  readonly secret?: string;
  /** The newest first. */
  readonly secrets?: readonly { readonly publicKey?: string }[];
}

/**
 * The secret for the receivers of a webhook, with its description. For a key pair it is the public
 * key, because only the hub needs the private one.
 */
export function receiverSecret({ secret, secrets = [] }: ShownDelivery): { what: string; text: string } | undefined {
  const publicKey = secrets[0]?.publicKey;
  if (publicKey !== undefined) return { what: 'the public key, for its receivers', text: publicKey };
  return secret === undefined ? undefined : { what: 'the secret, shown only once', text: secret };
}

export interface ShownAttempt {
  readonly number: number;
  readonly subscription: string;
  readonly event: string | null;
  readonly gap: boolean;
  readonly count: number;
  readonly attempt: number;
  readonly started: string;
  readonly outcome: string;
  readonly detail: string;
  readonly request: { readonly headers: Readonly<Record<string, string>> };
  readonly response: { readonly status: number; readonly body: string } | null;
  readonly timing: Readonly<Record<'nameMs' | 'connectMs' | 'tlsMs' | 'firstByteMs', number | null>> & {
    readonly totalMs: number;
  };
}

/** The id in examples. */
export const EXAMPLE_ID = 'sub_0t24qj92dx0000a1';

/** The arguments of a command that only takes the id of a subscription. */
export const ONE_ID_ARGUMENT: Pick<Command, 'usage' | 'argumentsMin' | 'argumentsMax'> = {
  usage: '<id>',
  argumentsMin: 1,
  argumentsMax: 1,
};

const SCOPE_DETAILS = 'It needs a key with the scope subscriptions if the hub has access control.';

/** Makes a command for subscriptions, which sends requests to a running hub. */
export function subscriptionCommand(
  command: Omit<Command, 'name' | 'details' | 'run'> & {
    /** The word after `subscriptions`. */
    readonly word: string;
    readonly details?: string;
    run(request: HubRequester, input: Input, terminal: Terminal): Promise<ExitName>;
  },
): Command {
  const { word, details, options, run, ...rest } = command;
  return {
    ...rest,
    name: `subscriptions ${word}`,
    details: details === undefined ? SCOPE_DETAILS : `${details} ${SCOPE_DETAILS}`,
    options: { ...options, ...HUB_ADDRESS_OPTIONS },
    run(input, terminal) {
      const hub = hubAddress(input);
      const hintOf = ({ member }: Problem): string | undefined => optionHint(member, command.options);
      return run(
        (method, path, body, headers) => requestHub(hub, method, `/v1/${path}`, body, headers, hintOf),
        input,
        terminal,
      );
    },
  };
}

/** Members of a body that have another name on the command line. */
const OPTION_OF: Readonly<Record<string, string>> = {
  types: 'type',
  ratePerSecond: 'rate',
  concurrencyMax: 'concurrency',
  'delivery.url': 'webhook',
  'delivery.headers': 'header',
  'delivery.batch.countMax': 'batch',
  'delivery.batch.waitMs': 'batch-wait',
  'delivery.timeoutMs': 'timeout',
  'delivery.retryDelaysSeconds': 'retries',
  'delivery.leaseSeconds': 'lease',
  'delivery.deliveriesMax': 'deliveries',
  'delivery.signature': 'ed25519',
  signature: 'ed25519',
  overlapSeconds: 'overlap',
  waitSeconds: 'wait',
  delaySeconds: 'delay',
  leaseSeconds: 'lease',
};

function optionHint(member: unknown, options: Command['options']): string | undefined {
  const option = typeof member === 'string' ? OPTION_OF[member] : undefined;
  return option !== undefined && Object.hasOwn(options, option) ? `On the command line this is --${option}` : undefined;
}

/** @param path below `/v1/` */
export type HubRequester = (
  method: string,
  path: string,
  body?: object,
  headers?: Readonly<Record<string, string>>,
) => Promise<unknown>;

/** The path of the subscription in the first argument, plus `below`. */
export function subscriptionPath(input: Input, below = ''): string {
  return `subscriptions/${encodeURIComponent(input.arguments[0] ?? '')}${below}`;
}

/** The given parameters as a query string. */
export function queryString(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? '' : `?${given.join('&')}`;
}
