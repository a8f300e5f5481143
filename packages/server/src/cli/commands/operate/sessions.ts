import { TRANSPORTS } from '@polycast/protocol';
import { JSON_LINES, usageError, type Command, type Input } from '../../command.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress } from '../../hub-address.ts';
import { requestHub } from '../../hub-request.ts';
import { printList } from '../lists.ts';

/** The members of a session that the command prints (PROTOCOL.md section 13.10). */
interface ListedSession {
  readonly session: string;
  readonly transport: string | null;
  readonly user?: string;
  readonly address: string;
  readonly channels: readonly string[];
  readonly channelsTotal: number;
  readonly opened: string;
  readonly behind?: number;
  readonly ended: string | null;
  readonly reason: string | null;
}

const FILTERS = ['user', 'channel', 'address', 'transport', 'behind'] as const;

export const sessions: Command = {
  name: 'sessions',
  summary: 'Lists the live sessions, or the ended ones of the session journal.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'Each line has the session, its transport, its user, its address, how many positions it is behind, and its channels. With --ended: when and why it ended. The key needs the scope admin.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    ended: { doc: 'Lists ended sessions, the newest first.' },
    user: { value: 'USER', doc: 'Only sessions of this user.' },
    channel: { value: 'CHANNEL', doc: 'Only sessions that read this channel.' },
    address: { value: 'ADDRESS', doc: 'Only sessions from this address.' },
    transport: { value: 'NAME', choices: TRANSPORTS, doc: 'Only sessions of this transport.' },
    behind: { value: 'N', doc: 'Only live sessions that are at least N positions behind.' },
    limit: { value: 'N', short: 'n', doc: 'The maximum number of sessions; 100 by default.' },
    json: JSON_LINES,
  },
  examples: [
    { command: 'polycast sessions --user ann', description: 'the live sessions of a user' },
    { command: 'polycast sessions --ended --user ann', description: 'how her sessions ended' },
    { command: 'polycast sessions --behind 1000', description: 'clients that read too slowly' },
  ],
  run: async (input, terminal) =>
    printList<ListedSession>(input, terminal, {
      path: '/v1/sessions',
      query: filtersOf(input),
      member: 'sessions',
      lineOf,
      whenEmpty: 'No sessions.',
    }),
};

export const sessionEnd: Command = {
  name: 'session end',
  summary: 'Ends a live session.',
  usage: '<session>',
  argumentsMin: 1,
  argumentsMax: 1,
  details: 'The client is asked to connect again. To lock it out, use polycast revoke. The key needs the scope admin.',
  options: { ...HUB_ADDRESS_OPTIONS, json: { doc: 'Prints the result as one JSON document, on one line.' } },
  examples: [{ command: 'polycast session end 8FTkQ0hGL2xWmN4v', description: 'one session' }],
  async run(input, { out }) {
    const [id = ''] = input.arguments;
    const answer = await requestHub(hubAddress(input), 'DELETE', `/v1/sessions/${encodeURIComponent(id)}`);
    out(input.flag('json') ? JSON.stringify(answer) : `Ended ${id}.`);
    return 'done';
  },
};

function filtersOf(input: Input): Readonly<Record<string, string>> {
  const filters: Record<string, string> = input.flag('ended') ? { state: 'ended' } : {};
  for (const name of FILTERS) {
    const value = input.text(name);
    if (value !== undefined) filters[name] = value;
  }
  if (input.flag('ended') && filters['behind'] !== undefined)
    throw usageError(sessions, '--behind is for live sessions, not for --ended');
  return filters;
}

function lineOf(session: ListedSession): string {
  const { session: id, transport, user, address, channels, channelsTotal, behind, ended, reason } = session;
  const more = channelsTotal > channels.length ? ` and ${channelsTotal - channels.length} more` : '';
  const state = ended === null ? `${behind ?? 0} behind` : `ended ${ended} (${reason ?? 'unknown'})`;
  return `${id}  ${transport ?? '-'}  ${user ?? '-'}  ${address === '' ? '-' : address}  ${state}  ${channels.join(' ')}${more}`;
}
