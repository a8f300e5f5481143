import { JSON_LINES, type Command, type Input } from '../command.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress } from '../hub-address.ts';
import { requestHub } from '../hub-request.ts';
import type { ExitName } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';

const LIMIT_DEFAULT = 100;
const PAGE_MAX = 1000;

const LIST_OPTIONS = {
  ...HUB_ADDRESS_OPTIONS,
  limit: { value: 'N', short: 'n', doc: `The maximum number of entries; ${LIMIT_DEFAULT} by default.` },
  json: JSON_LINES,
} as const;

interface ListedUser {
  readonly user: string;
  readonly sessions: number;
}

interface ListedChannel {
  readonly channel: string;
  readonly events: number;
  readonly oldest: string | null;
  readonly latest: string | null;
}

export const users: Command = {
  name: 'users',
  summary: 'Lists the users who are online.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details: 'They are sorted by name, each with the number of sessions. The key needs the scope users.',
  options: LIST_OPTIONS,
  examples: [{ command: 'polycast users --limit 10', description: 'the first ten' }],
  run: (input, terminal) =>
    printList<ListedUser>(input, terminal, {
      path: '/v1/users',
      query: { online: 'true' },
      member: 'users',
      lineOf: ({ user, sessions }) => `${user}  ${sessions === 0 ? 'polls' : sessions}`,
      whenEmpty: 'No user is online.',
    }),
};

export const channels: Command = {
  name: 'channels',
  summary: 'Lists the channels of the hub.',
  usage: '[PATTERN]',
  argumentsMin: 0,
  argumentsMax: 1,
  details:
    'They are sorted by name, each with the number of stored events and the id of the newest. The key needs the scope subscribe for the pattern, or admin.',
  options: LIST_OPTIONS,
  examples: [{ command: "polycast channels 'orders.>'", description: 'the channels below orders' }],
  run: (input, terminal) =>
    printList<ListedChannel>(input, terminal, {
      path: '/v1/channels',
      query: { match: input.arguments[0] ?? '>' },
      member: 'channels',
      lineOf: ({ channel, events, latest }) => `${channel}  ${events}  ${latest ?? '-'}`,
      whenEmpty: 'No entries.',
    }),
};

/** A list of the hub's API, and how the command line shows it. */
interface List<Item> {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The member of a page that has the entries. */
  readonly member: string;
  readonly lineOf: (item: Item) => string;
  readonly whenEmpty: string;
}

/** Prints page after page, up to the option `limit`. */
export async function printList<Item>(
  input: Input,
  { out, notice }: Terminal,
  { path, query, member, lineOf, whenEmpty }: List<Item>,
): Promise<ExitName> {
  let count = 0;
  for await (const each of pages<Item>(input, path, query, member)) {
    count++;
    out(input.flag('json') ? JSON.stringify(each) : lineOf(each));
  }
  if (count === 0) notice(whenEmpty);
  return 'done';
}

async function* pages<Item>(
  input: Input,
  path: string,
  query: Readonly<Record<string, string>>,
  member: string,
): AsyncGenerator<Item> {
  const hub = hubAddress(input);
  let remaining = input.number('limit', 1) ?? LIMIT_DEFAULT;
  for (let after: string | null = ''; after !== null && remaining > 0;) {
    const parameters = new URLSearchParams({ ...query, limit: String(Math.min(remaining, PAGE_MAX)) });
    if (after !== '') parameters.set('after', after);
    const page = (await requestHub(hub, 'GET', `${path}?${parameters.toString()}`)) as Page<Item>;
    const items = page[member] as readonly Item[];
    remaining -= items.length;
    yield* items;
    after = page.next;
  }
}

type Page<Item> = Readonly<Record<string, readonly Item[] | string | null>> & { readonly next: string | null };
